// SPDX-License-Identifier: MIT
/*
 * files_client [NAME [TEXT]]: lists the files of demo.files, prints a file, or writes TEXT to it.
 */
#include <iostream>
#include <string>

#include <unistd.h>

#include "files.ipc.hpp"

static ssize_t check(ssize_t n)
{
	if (n < 0)
		throw ipc::error(errno);
	return n;
}

static void write_all(const ipc::fd &file, std::string_view text)
{
	while (!text.empty())
		text.remove_prefix(check(write(file.get(), text.data(), text.size())));
}

static void print_all(const ipc::fd &file)
{
	char block[4096];

	while (ssize_t n = check(read(file.get(), block, sizeof(block))))
		std::cout.write(block, n);
}

int main(int argc, char **argv)
try {
	auto bus = ipc::connection::open();
	auto folder = bus.wait<files::Files>("demo.files");

	if (argc < 2) {
		auto list = folder.List();

		for (const std::string &name : list.names())
			std::cout << name << '\n';
		return 0;
	}

	files::OpenRequest request;
	request.set_name(argv[1]);
	request.set_create(argc > 2);
	auto reply = folder.Open(request);
	/* From now on, the client uses the file without the server. */
	auto file = reply.take_fd(reply->fd());
	if (argc > 2)
		write_all(file, argv[2]);
	else
		print_all(file);
	return 0;
} catch (const std::exception &e) {
	std::cerr << "open: " << e.what() << '\n';
	return 1;
}
