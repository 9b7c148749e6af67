// SPDX-License-Identifier: MIT
/*
 * Registers demo.clock, which sends ticks to its clients.
 */
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "clock.ipc.hpp"

using namespace std::chrono;

static std::int64_t now_usec()
{
	return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

class Clock : public clocks::Clock::Service {
public:
	void Watch(const clocks::WatchRequest &request,
		   ipc::stream_of<clocks::Tick, ipc::no_message> out) override
	{
		clocks::Tick tick;

		if (!request.period_ms())
			throw ipc::error("clock.BadPeriod", "a period of 0 ms");
		for (std::uint64_t number = 1;; number++) {
			std::this_thread::sleep_for(milliseconds(request.period_ms()));
			tick.set_number(number);
			tick.set_usec(static_cast<std::uint64_t>(now_usec()));
			/* If the client is slow, waits for it. If the client has gone, throws. */
			out.send(tick);
		}
	}

	void Compare(ipc::stream_of<clocks::Verdict, clocks::Tick> in) override
	{
		clocks::Verdict verdict;

		while (auto tick = in.receive()) {
			std::int64_t off = static_cast<std::int64_t>(tick->usec()) - now_usec();

			verdict.set_clocks(verdict.clocks() + 1);
			if (std::abs(off) > std::abs(verdict.worst_usec()))
				verdict.set_worst_usec(off);
		}
		in.reply(verdict);
	}
};

int main()
try {
	auto bus = ipc::connection::open();

	/* The handler of a stream occupies a thread. */
	bus.set_threads(64);
	bus.register_name("demo.clock", std::make_shared<Clock>());
	bus.run();
	return 0;
} catch (const std::exception &e) {
	std::cerr << "demo.clock: " << e.what() << '\n';
	return 1;
}
