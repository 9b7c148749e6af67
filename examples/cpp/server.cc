// SPDX-License-Identifier: MIT
/*
 * A server in C++: C handlers call a C++ object, which they get as userdata.
 */
#include <memory>
#include <string>

#include "greet.ipc.h"

class Greeter {
public:
	std::string greet(const std::string &name)
	{
		greeted++;
		return "Hello, " + name + "!";
	}
	unsigned int count() const { return greeted; }

private:
	unsigned int greeted = 0;
};

static int greet(struct ipc_call *call, const Greet__GreetRequest *request, void *userdata)
{
	Greeter *self = static_cast<Greeter *>(userdata);
	Greet__GreetReply reply = GREET__GREET_REPLY__INIT;
	std::string text = self->greet(request->name);

	reply.text = &text[0];
	reply.greeted = self->count();
	return greeter_reply_greet(call, &reply);
}

static int stop(struct ipc_call *call, void *)
{
	ipc_stop(ipc_call_ipc(call));
	return 0;
}

int main()
{
	struct ipc *opened;
	greeter_ops ops = {};
	Greeter greeter;
	int r;

	ops.greet = greet;
	ops.stop = stop;
	r = ipc_open(&opened, nullptr);
	if (r < 0)
		return ipc_fail("open /dev/ipcbus", r, nullptr);
	std::unique_ptr<struct ipc, decltype(&ipc_unref)> ipc(opened, ipc_unref);

	r = greeter_register(ipc.get(), "demo.greeter", &ops, &greeter);
	if (r < 0)
		return ipc_fail("register demo.greeter", r, nullptr);
	r = ipc_run(ipc.get());
	return r < 0 ? ipc_fail("serve demo.greeter", r, nullptr) : 0;
}
