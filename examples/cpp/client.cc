// SPDX-License-Identifier: MIT
/*
 * client NAME...: prints a greeting for each NAME. --stop ends the server.
 */
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "greet.ipc.h"

template <typename T> using Unref = std::unique_ptr<T, T *(*)(T *)>;

class Greeter {
public:
	explicit Greeter(struct ipc *ipc) : proxy(nullptr, greeter_unref)
	{
		struct greeter *found;

		check("find demo.greeter", greeter_await(ipc, "demo.greeter", IPC_NEVER, &found),
		      nullptr);
		proxy.reset(found);
	}

	std::string greet(std::string name)
	{
		Greet__GreetRequest request = GREET__GREET_REQUEST__INIT;
		struct ipc_error error = IPC_ERROR_INIT;
		Greet__GreetReply *reply;

		request.name = &name[0];
		check("greet", greeter_greet(proxy.get(), &request, &reply, &error), &error);
		std::string text = reply->text;
		greeter_greet_reply_free(reply);
		return text;
	}

	void stop() { check("stop", greeter_stop(proxy.get()), nullptr); }

private:
	static void check(const std::string &what, int r, struct ipc_error *error)
	{
		if (r >= 0)
			return;
		std::string why = error && error->message ? error->message : ipc_strerror(r);
		ipc_error_done(error);
		throw std::runtime_error(what + ": " + why);
	}

	Unref<struct greeter> proxy;
};

int main(int argc, char **argv)
try {
	struct ipc *opened;
	int r = ipc_open(&opened, nullptr);

	if (r < 0)
		return ipc_fail("open /dev/ipcbus", r, nullptr);
	Unref<struct ipc> ipc(opened, ipc_unref);
	Greeter greeter(ipc.get());

	for (int i = 1; i < argc; i++) {
		if (!std::strcmp(argv[i], "--stop"))
			greeter.stop();
		else
			std::cout << greeter.greet(argv[i]) << '\n';
	}
	return 0;
} catch (const std::exception &e) {
	std::cerr << e.what() << '\n';
	return 1;
}
