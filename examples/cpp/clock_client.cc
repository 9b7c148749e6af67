// SPDX-License-Identifier: MIT
/*
 * clock_client COUNT [PERIOD_MS]: prints COUNT ticks, then sends COUNT times for comparison.
 */
#include <iostream>
#include <string>

#include "clock.ipc.hpp"

using namespace std::chrono_literals;

static void watch(const clocks::Clock::Proxy &clock, int count, unsigned int period_ms)
{
	clocks::WatchRequest request;

	request.set_period_ms(period_ms);
	auto ticks = clock.Watch(request);
	for (int i = 0; i < count; i++) {
		auto tick = ticks.receive(10s);

		if (!tick)
			throw ipc::error(ENODATA, "the clock stands still");
		std::cout << "tick " << tick->number() << std::endl;
	}
	/* The last copy of the stream is gone, which cancels it, and the server stops sending. */
}

static void compare(const clocks::Clock::Proxy &clock, int count)
{
	auto times = clock.Compare();

	for (int i = 0; i < count; i++)
		times.send(clocks::Tick(), 10s);
	auto verdict = times.finish(10s);
	std::cout << verdict.clocks() << " clocks compared, they are "
		  << (verdict.worst_usec() < -1000000 ? "slow" : "right") << '\n';
}

int main(int argc, char **argv)
try {
	int count = argc > 1 ? std::stoi(argv[1]) : 5;
	auto bus = ipc::connection::open();
	auto clock = bus.wait<clocks::Clock>("demo.clock");

	watch(clock, count, argc > 2 ? std::stoul(argv[2]) : 100);
	compare(clock, count);
	return 0;
} catch (const std::exception &e) {
	std::cerr << "clock: " << e.what() << '\n';
	return 1;
}
