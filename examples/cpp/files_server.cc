// SPDX-License-Identifier: MIT
/*
 * files_server FOLDER: registers demo.files, which opens the files of a folder for clients. A name
 * cannot lead out of the folder.
 */
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include <fcntl.h>

#include "files.ipc.hpp"

class Files : public files::Files::Service {
public:
	explicit Files(std::filesystem::path path)
		: path(path), folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))
	{
		if (!folder)
			throw ipc::error(errno, path);
	}

	files::ListReply List(const ipc::call &) override
	{
		files::ListReply reply;

		for (const auto &entry : std::filesystem::directory_iterator(path))
			reply.add_names(entry.path().filename());
		return reply;
	}

	ipc::with_objects<files::OpenReply> Open(const files::OpenRequest &request,
						 const ipc::call &) override
	{
		const std::string &name = request.name();
		ipc::with_objects<files::OpenReply> reply;

		if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
			throw ipc::error("files.BadName", '"' + name + "\" is not the name of a file");
		/* O_NONBLOCK, because the file may be a pipe without a writer. */
		ipc::fd file(openat(folder.get(), name.c_str(),
				    (request.create() ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW |
					    O_NONBLOCK | O_CLOEXEC,
				    0644));
		if (!file) {
			int code = errno;

			throw ipc::error(code, name + ": " + std::generic_category().message(code));
		}
		reply.put(*reply->mutable_fd(), std::move(file));
		return reply;
	}

private:
	std::filesystem::path path;
	ipc::fd folder;
};

int main(int argc, char **argv)
try {
	auto bus = ipc::connection::open();
	auto service = std::make_shared<Files>(argc > 1 ? argv[1] : ".");

	bus.register_name("demo.files", service);
	bus.run();
	return 0;
} catch (const std::exception &e) {
	std::cerr << "demo.files: " << e.what() << '\n';
	return 1;
}
