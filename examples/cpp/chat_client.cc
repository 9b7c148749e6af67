// SPDX-License-Identifier: MIT
/*
 * chat_client NAME: sends the lines of its standard input, and prints the lines of other members,
 * until the input ends.
 */
#include <iostream>
#include <string>
#include <thread>

#include "chat.ipc.hpp"

class Ear : public chat::Listener::Service {
public:
	void Hear(const chat::Line &line, const ipc::call &) override
	{
		std::cout << line.from() + ": " + line.text() + '\n' << std::flush;
	}
};

/* Serves on its own thread, which receives the lines of other members. */
class Hearing {
public:
	explicit Hearing(ipc::connection bus) : bus(bus), thread([bus] { bus.run(); }) {}
	~Hearing()
	{
		bus.stop();
		thread.join();
	}

private:
	ipc::connection bus;
	std::thread thread;
};

int main(int argc, char **argv)
try {
	auto bus = ipc::connection::open();
	auto group = bus.wait<chat::Chat>("demo.chat");
	Hearing hearing(bus);
	ipc::with_objects<chat::JoinRequest> request;
	chat::Line line;
	std::string text;

	request->set_name(argc > 1 ? argv[1] : "somebody");
	request.put(*request->mutable_listener(), ipc::make_object(bus, std::make_shared<Ear>()));
	auto reply = group.Join(request);
	for (const std::string &other : reply->others())
		std::cout << other + " is here\n" << std::flush;

	auto seat = reply.take<chat::Seat>(reply->seat());
	while (std::getline(std::cin, text)) {
		line.set_text(text);
		seat.Say(line);
	}
	return 0;
} catch (const std::exception &e) {
	std::cerr << "join: " << e.what() << '\n';
	return 1;
}
