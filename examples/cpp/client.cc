// SPDX-License-Identifier: MIT
/*
 * client NAME...: prints a greeting for each NAME. --stop ends the server.
 */
#include <iostream>
#include <string>

#include "greet.ipc.hpp"

int main(int argc, char **argv)
try {
	auto bus = ipc::connection::open();
	auto greeter = bus.wait<greet::Greeter>("demo.greeter");

	for (int i = 1; i < argc; i++) {
		greet::GreetRequest request;

		if (argv[i] == std::string("--stop")) {
			greeter.Stop();
			continue;
		}
		request.set_name(argv[i]);
		std::cout << greeter.Greet(request).text() << '\n';
	}
	return 0;
} catch (const std::exception &e) {
	std::cerr << "greet: " << e.what() << '\n';
	return 1;
}
