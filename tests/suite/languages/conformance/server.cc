// SPDX-License-Identifier: MIT
/*
 * conform.proto and versions.proto as a service in C++: `server NAME`.
 */
#include <sys/mman.h>

#include <atomic>
#include <iostream>
#include <mutex>

#include "conform.ipc.hpp"
#include "ipc/ipc.pb.h"
#include "versions.ipc.hpp"

namespace {

std::uint64_t left_ms(const ipc::call &call)
{
	ipc::duration left = call.remaining();

	return left == ipc::never ?
		       0 :
		       static_cast<std::uint64_t>(
			       std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
}

class host : public conform::Visitor::Service {
public:
	conform::AskReply Ask(const conform::Number &request, const ipc::call &call) override
	{
		conform::AskReply reply;

		reply.set_number(request.number() + 1);
		reply.set_left_ms(left_ms(call));
		return reply;
	}
};

class peer : public conform::Peer::Service {
public:
	explicit peer(ipc::connection conn) : conn(std::move(conn)) {}

	conform::Kinds Echo(const conform::Kinds &request, const ipc::call &) override
	{
		return request;
	}

	void Fail(const conform::Failure &request, const ipc::call &) override
	{
		if (request.name().empty())
			throw ipc::error(request.code(), request.text());
		throw ipc::error(request.name(), request.text(), request.number(), request.details(),
				 request.code() ? request.code() : EREMOTEIO);
	}

	void Drop(ipc::call_for<void> call) override { auto dropped = std::move(call); }

	void Note(const conform::Number &request, const ipc::call &) override
	{
		std::lock_guard<std::mutex> lock(mutex);

		notes.add_numbers(request.number());
	}

	conform::Numbers Notes(const ipc::call &) override
	{
		std::lock_guard<std::mutex> lock(mutex);

		return notes;
	}

	ipc::with_objects<conform::VisitReply>
	Visit(const ipc::with_objects<conform::VisitRequest> &request, const ipc::call &) override
	{
		auto visitor = request.take<conform::Visitor>(request->visitor());
		ipc::with_objects<conform::VisitReply> reply;
		conform::Number number;

		number.set_number(request->number());
		conform::AskReply said = visitor.Ask(number);
		reply->set_number(said.number());
		reply->set_left_ms(said.left_ms());
		if (request->refuse()) {
			try {
				visitor.Refuse();
			} catch (const ipc::error &e) {
				reply->set_refused(e.name() + ": " + e.text());
			}
		}
		reply.put(*reply->mutable_host(), ipc::make_object(conn, std::make_shared<host>()));
		reply.put(*reply->mutable_back(), *visitor);
		return reply;
	}

	void Host(const ipc::with_objects<conform::VisitRequest> &request, const ipc::call &) override
	{
		request.take<conform::Visitor>(request->visitor()).Stay();
	}

	ipc::with_objects<conform::WriteReply>
	Write(const ipc::with_objects<conform::WriteRequest> &request, const ipc::call &) override
	{
		ipc::with_objects<conform::WriteReply> reply;
		ipc::fd same = request.take_fd(request->file());
		ipc::fd other(::memfd_create("other", MFD_CLOEXEC));

		for (const ipc::fd *file : { &same, &other })
			if (::pwrite(file->get(), request->text().data(), request->text().size(), 0) < 0)
				throw ipc::error(errno);
		reply.put(*reply->mutable_same(), std::move(same));
		reply.put(*reply->mutable_other(), std::move(other));
		return reply;
	}

	conform::Chunks Turn(const conform::Chunks &request, const ipc::call &) override
	{
		conform::Chunks reply;

		for (int i = request.chunks_size(); i-- > 0;)
			reply.add_chunks(request.chunks(i));
		return reply;
	}

	void Hang(ipc::call_for<void> call) override { hang(std::move(call)); }
	void HangBriefly(ipc::call_for<void> call) override { hang(std::move(call)); }

	conform::HangsReply Hangs(const ipc::call &) override
	{
		conform::HangsReply reply;

		reply.set_waiting(waiting);
		reply.set_canceled(canceled);
		return reply;
	}

	conform::Number Left(const ipc::call &call) override
	{
		conform::Number reply;

		reply.set_number(static_cast<std::int64_t>(left_ms(call)));
		return reply;
	}

	void Count(const conform::Number &request,
		   ipc::stream_of<conform::Number, ipc::no_message> out) override
	{
		conform::Number number;

		for (std::int64_t i = 1; i <= std::abs(request.number()); i++) {
			number.set_number(i);
			out.send(number);
		}
		if (request.number() < 0)
			throw ipc::error("conform.Negative", "it is negative");
	}

	void Total(ipc::stream_of<conform::Number, conform::Number> in) override
	{
		conform::Number reply;

		while (auto number = in.receive())
			reply.set_number(reply.number() + number->number());
		in.reply(reply);
	}

	void Running(ipc::stream_of<conform::Number, conform::Number> both) override
	{
		conform::Number reply;

		waiting++;
		try {
			while (auto number = both.receive()) {
				reply.set_number(reply.number() + number->number());
				both.send(reply);
			}
		} catch (...) {
			canceled++;
			waiting--;
			throw;
		}
		waiting--;
	}

	void Exit(const ipc::call &) override { ::_exit(0); }

private:
	/* A call that is kept until it is canceled. */
	struct kept {
		std::mutex mutex;
		std::optional<ipc::call_for<void>> call;
	};

	void hang(ipc::call_for<void> call)
	{
		auto later = std::make_shared<kept>();
		std::lock_guard<std::mutex> lock(later->mutex);

		waiting++;
		try {
			call->on_cancel([this, later] {
				    std::lock_guard<std::mutex> lock(later->mutex);

				    canceled++;
				    waiting--;
				    later->call.reset();
			    }).detach();
			later->call = std::move(call);
		} catch (...) {
			canceled++;
			waiting--;
			throw;
		}
	}

	ipc::connection conn;
	std::mutex mutex;
	conform::Numbers notes;
	std::atomic<std::int64_t> waiting{ 0 }, canceled{ 0 };
};

class older : public versions::Older::Service {
public:
	versions::Said Say(const versions::Said &request, const ipc::call &) override
	{
		versions::Said reply;

		reply.set_text("heard: " + request.text());
		reply.set_tone(request.tone());
		return reply;
	}
};

class newer : public versions::Newer::Service {
public:
	versions::Reply Ask(const versions::Question &request, const ipc::call &) override
	{
		versions::Reply reply;

		reply.set_text(request.text() + ", " + std::to_string(request.times()) + " times");
		reply.set_tone(versions::GLAD);
		reply.set_reason("a reason");
		reply.add_others();
		reply.add_others()->set_times(7);
		return reply;
	}
};

} // namespace

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::cerr << "usage: " << argv[0] << " NAME\n";
		return 2;
	}

	auto bus = ipc::connection::open();
	std::string name = argv[1];

	bus.set_threads(8);
	bus.register_name(name + ".older", ipc::make_object(bus, std::make_shared<older>()));
	bus.register_name(name + ".newer", ipc::make_object(bus, std::make_shared<newer>()));
	bus.register_name(name, ipc::make_object(bus, std::make_shared<peer>(bus)));
	bus.run();
	return 0;
}
