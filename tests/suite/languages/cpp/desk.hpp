/* SPDX-License-Identifier: MIT */
/*
 * The service of desk.proto in C++.
 */
#ifndef TESTS_LANGUAGES_CPP_DESK_HPP
#define TESTS_LANGUAGES_CPP_DESK_HPP

#include <numeric>
#include <thread>

#include "desk.ipc.hpp"
#include "ipc/ipc.pb.h"

namespace desk_app = desk::app;

class host : public desk_app::Visitor::Service {
public:
	explicit host(std::string name) : name(std::move(name)) {}
	desk_app::VisitorName Name(const ipc::call &) override
	{
		desk_app::VisitorName reply;

		reply.set_name(name);
		return reply;
	}

private:
	std::string name;
};

class clerk : public desk_app::Desk::Service {
public:
	explicit clerk(ipc::connection conn) : conn(std::move(conn)) {}
	~clerk() override
	{
		for (std::thread &t : naps)
			t.join();
	}

	desk_app::Sum Add(const desk_app::Numbers &request, const ipc::call &) override
	{
		if (request.numbers_size() > 100)
			throw ipc::error("desk.TooMany", "more than 100 numbers",
					 request.numbers_size());
		return sum(request);
	}

	void Fail(const desk_app::Failure &request, const ipc::call &) override
	{
		if (request.code())
			throw ipc::error(request.code(), request.text());
		throw ipc::error(request.name(), request.text());
	}

	/* Replies later, on another thread. */
	void Nap(ipc::call_for<void> call) override
	{
		naps.emplace_back([call = std::move(call)]() mutable {
			std::this_thread::sleep_for(std::chrono::milliseconds(300));
			std::move(call).reply();
		});
	}

	void Poke(const desk_app::Numbers &request, const ipc::call &) override
	{
		poked += sum(request).sum();
	}

	desk_app::Sum Poked(const ipc::call &) override
	{
		desk_app::Sum reply;

		reply.set_sum(poked);
		return reply;
	}

	ipc::with_objects<desk_app::VisitReply>
	Visit(const ipc::with_objects<desk_app::VisitRequest> &request, const ipc::call &) override
	{
		ipc::with_objects<desk_app::VisitReply> reply;
		auto visitor = request.take<desk_app::Visitor>(request->visitor());

		reply->set_greeting("Hello, " + visitor.Name().name());
		reply.put(*reply->mutable_host(),
			  ipc::make_object(conn, std::make_shared<host>("the host")));
		if (request->has_note())
			reply.put(*reply->mutable_note(), request.take_fd(request->note()));
		return reply;
	}

	void Count(const desk_app::Numbers &request,
		   ipc::stream_of<desk_app::Sum, ipc::no_message> out) override
	{
		for (std::int64_t n : request.numbers()) {
			if (n < 0)
				throw ipc::error("desk.Negative", "a number is negative");
			desk_app::Sum reply;
			reply.set_sum(n);
			out.send(reply);
		}
	}

	void Total(ipc::stream_of<desk_app::Sum, desk_app::Numbers> in) override
	{
		desk_app::Sum reply;

		while (auto message = in.receive())
			reply.set_sum(reply.sum() + sum(*message).sum());
		in.reply(reply);
	}

	void Running(ipc::stream_of<desk_app::Sum, desk_app::Numbers> both) override
	{
		desk_app::Sum reply;

		while (auto message = both.receive()) {
			reply.set_sum(reply.sum() + sum(*message).sum());
			both.send(reply);
		}
	}

private:
	static desk_app::Sum sum(const desk_app::Numbers &request)
	{
		desk_app::Sum reply;

		reply.set_sum(std::accumulate(request.numbers().begin(), request.numbers().end(),
					      std::int64_t{ 0 }));
		return reply;
	}

	ipc::connection conn;
	std::vector<std::thread> naps;
	std::atomic<std::int64_t> poked{ 0 };
};

#endif /* TESTS_LANGUAGES_CPP_DESK_HPP */
