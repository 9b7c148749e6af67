// SPDX-License-Identifier: MIT
/*
 * Large bytes and shared memory of generated C++.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "fixture.hpp"

#include "desk.hpp"
#include "ipc/ipc.pb.h"

namespace {

using Shared = ipc::with_objects<desk_app::Shared>;

class shelf : public desk_app::Shelf::Service {
public:
	desk_app::Chunks Turn(const desk_app::Chunks &request, const ipc::call &) override
	{
		desk_app::Chunks reply;

		for (int i = request.chunks_size(); i-- > 0;)
			reply.add_chunks(request.chunks(i));
		return reply;
	}

	Shared Share(const Shared &request, const ipc::call &) override
	{
		Shared reply;
		auto theirs = request.take_memory(request->memory(), ipc::memory::writable);
		auto own = ipc::memory::create(theirs.size());

		request->text().copy(static_cast<char *>(theirs.data()), theirs.size());
		request->text().copy(static_cast<char *>(own.data()), own.size());
		reply.put(*reply->mutable_memory(), own);
		kept = own;
		return reply;
	}

	std::optional<ipc::memory> kept;
};

struct bench {
	bench()
		: server(ipc::connection::open()), client(ipc::connection::open()),
		  own(std::make_shared<shelf>()), object(ipc::make_object(server, own)),
		  peer((server.register_name("test.shelf", object),
			client.get<desk_app::Shelf>("test.shelf"))),
		  server_thread(server)
	{
	}
	~bench() { server.unregister_name("test.shelf"); }

	ipc::connection server, client;
	std::shared_ptr<shelf> own;
	ipc::object object;
	desk_app::Shelf::Proxy peer;
	serving server_thread;
};

std::string pattern(std::size_t size, unsigned int seed)
{
	std::string bytes(size, '\0');

	for (std::size_t i = 0; i < size; i++)
		bytes[i] = static_cast<char>(i * 31 + seed);
	return bytes;
}

CASE(bytes_of_every_size)
{
	bench b;

	for (std::size_t size : { 0, 1, 65536, 65537, 4 << 20, 20 << 20 }) {
		desk_app::Chunks request;

		request.add_chunks(pattern(size, 1));
		request.add_chunks("small");
		request.add_chunks(pattern(70000, 2));
		desk_app::Chunks reply = b.peer.Turn(request);
		CHECK(reply.chunks_size() == 3);
		for (int i = 0; i < 3; i++)
			CHECK(reply.chunks(i) == request.chunks(2 - i));
	}
}

/* Each side sees the other's writes, if the owner permits them. */
CASE(memory_is_shared)
{
	bench b;
	Shared request;
	auto memory = ipc::memory::create(8192, ipc::memory::writable);

	request->set_text("written by the service");
	request.put(*request->mutable_memory(), memory);
	Shared reply = b.peer.Share(request);
	CHECK(memory.bytes().substr(0, 22) == "written by the service");

	auto theirs = reply.take_memory(reply->memory());
	CHECK_FAILS(ENOENT, reply.take_memory(reply->memory()));
	CHECK(theirs.size() == 8192 && !theirs.is_sealed());
	CHECK(theirs.bytes().substr(0, 22) == "written by the service");
	static_cast<char *>(b.own->kept->data())[0] = 'W';
	CHECK(theirs.bytes()[0] == 'W');
	CHECK_FAILS(EPERM, ipc::memory::map(theirs.file(), ipc::memory::writable));

	/* Memory that another process has mapped for writing cannot be sealed. */
	auto again = ipc::memory::map(memory.file(), ipc::memory::writable);
	CHECK_FAILS(EBUSY, memory.seal());
	b.own->kept->seal();
	CHECK(theirs.is_sealed() && b.own->kept->is_sealed());

	/* A service that writes must refuse read-only memory, and a request without memory. */
	Shared readable;
	readable.put(*readable->mutable_memory(), *b.own->kept);
	CHECK_FAILS(EPERM, b.peer.Share(readable));
	CHECK_FAILS(ENOENT, b.peer.Share(Shared()));
}

/* Files that are no memory of fixed size. */
CASE(memory_of_a_stranger)
{
	bench b;
	ipc::fd plain(::open("/dev/zero", O_RDWR)), growing(::memfd_create("growing", MFD_ALLOW_SEALING));
	ipc::fd empty(::memfd_create("empty", MFD_ALLOW_SEALING));

	CHECK(::ftruncate(growing.get(), 4096) == 0);
	CHECK(::fcntl(empty.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	for (ipc::fd *file : { &plain, &growing, &empty }) {
		Shared request;

		request.put(*request->mutable_memory()->mutable_fd(), std::move(*file));
		CHECK_FAILS(EBADMSG, b.peer.Share(request));
	}
	CHECK_FAILS(EBADMSG, ipc::memory::map(ipc::fd()));
	CHECK_FAILS(EINVAL, ipc::memory::create(0));

	Shared huge;
	huge.put(*huge->mutable_memory(), ipc::memory::create((1UL << 30) + 4096, ipc::memory::writable));
	CHECK_FAILS(EMSGSIZE, b.peer.Share(huge));
}

} // namespace

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
