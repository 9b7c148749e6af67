/* SPDX-License-Identifier: MIT */
/* Shared by the C++ programs of this folder, as service.h for C. */
#ifndef SERVICE_HPP
#define SERVICE_HPP

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include <ipc/ipc.hpp>

constexpr std::chrono::seconds LONG(60);

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition))                                                       \
			throw std::runtime_error(std::string("not so: ") + #condition); \
	} while (0)

/* Checks that the function fails with this error of the service. */
template <typename F> void fails(const std::string &name, F function)
{
	try {
		function();
	} catch (const ipc::error &error) {
		CHECK(error.name() == name);
		return;
	}
	CHECK(!"it failed");
}

template <typename S, typename C> int service_main(int argc, char **argv, S serve, C call)
try {
	CHECK(argc == 3);
	auto bus = ipc::connection::open();

	/* Stream handlers wait. */
	bus.set_threads(4);
	if (argv[1] == std::string("client")) {
		call(bus, std::string(argv[2]));
		return 0;
	}
	serve(bus, std::string(argv[2]));
	bus.run();
	return 0;
} catch (const std::exception &error) {
	std::cerr << argv[0] << ": " << error.what() << '\n';
	return 1;
}

#endif /* SERVICE_HPP */
