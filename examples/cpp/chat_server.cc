// SPDX-License-Identifier: MIT
/*
 * Registers demo.chat: each member receives the lines of the other members. A member leaves by
 * dropping its listener or by dying.
 */
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "chat.ipc.hpp"

class Members {
public:
	/* Returns the names of the other members. */
	std::vector<std::string> enter(const std::string &name, const chat::Listener::Proxy &listener)
	{
		std::lock_guard lock(mutex);
		std::vector<std::string> others;

		if (listeners.count(name))
			throw ipc::error("chat.Taken", "the name " + name + " is taken");
		for (const auto &other : listeners)
			others.push_back(other.first);
		listeners.emplace(name, listener);
		return others;
	}

	void leave(const std::string &name)
	{
		{
			std::lock_guard lock(mutex);
			listeners.erase(name);
		}
		notify(name, "(leaves)");
	}

	void notify(const std::string &from, const std::string &text)
	{
		std::map<std::string, chat::Listener::Proxy> all;
		chat::Line line;

		{
			std::lock_guard lock(mutex);
			all = listeners;
		}
		line.set_from(from);
		line.set_text(text);
		for (const auto &[name, listener] : all) {
			if (name == from)
				continue;
			try {
				listener.Hear(line);
			} catch (const ipc::error &) {
				/* A member that has gone, or does not serve, misses the line. */
			}
		}
	}

private:
	std::mutex mutex;
	std::map<std::string, chat::Listener::Proxy> listeners;
};

class Seat : public chat::Seat::Service {
public:
	Seat(std::shared_ptr<Members> members, std::string name)
		: members(std::move(members)), name(std::move(name))
	{
	}
	void Say(const chat::Line &line, const ipc::call &) override
	{
		members->notify(name, line.text());
	}

private:
	std::shared_ptr<Members> members;
	std::string name;
};

class Chat : public chat::Chat::Service {
public:
	explicit Chat(ipc::connection bus) : bus(std::move(bus)) {}

	ipc::with_objects<chat::JoinReply>
	Join(const ipc::with_objects<chat::JoinRequest> &request, const ipc::call &) override
	{
		ipc::with_objects<chat::JoinReply> reply;
		std::string name = request->name();
		auto listener = request.take<chat::Listener>(request->listener());

		for (const std::string &other : members->enter(name, listener))
			reply->add_others(other);
		members->notify(name, "(joins)");
		listener->on_death([members = members, name] { members->leave(name); }).detach();
		reply.put(*reply->mutable_seat(),
			  ipc::make_object(bus, std::make_shared<Seat>(members, name)));
		return reply;
	}

private:
	ipc::connection bus;
	std::shared_ptr<Members> members = std::make_shared<Members>();
};

int main()
try {
	auto bus = ipc::connection::open();

	bus.register_name("demo.chat", std::make_shared<Chat>(bus));
	bus.run();
	return 0;
} catch (const std::exception &e) {
	std::cerr << "demo.chat: " << e.what() << '\n';
	return 1;
}
