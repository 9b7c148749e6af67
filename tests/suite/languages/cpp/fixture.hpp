/* SPDX-License-Identifier: MIT */
/*
 * A bus with two connections in a single process: a server with an object "test.cpp", served by a
 * thread, and a client. Proxies and objects pass between them as between processes.
 */
#ifndef TESTS_LANGUAGES_CPP_FIXTURE_HPP
#define TESTS_LANGUAGES_CPP_FIXTURE_HPP

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include <ipc/ipc.hpp>

#include "case.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;

/* Returns the number of "package.Service/Method", according to <ipc/raw.h>. */
inline std::uint32_t number_of(const std::string &method)
{
	std::uint32_t number = 0x811c9dc5;

	for (unsigned char byte : method)
		number = (number ^ byte) * 0x01000193;
	return number | IPC_NUMBER_DERIVED;
}

/* An event in other threads, with a wait for it. */
class event {
public:
	void set()
	{
		std::lock_guard<std::mutex> lock(mutex);

		count++;
		changed.notify_all();
	}
	bool wait(int times = 1, std::chrono::milliseconds limit = 10s)
	{
		std::unique_lock<std::mutex> lock(mutex);

		return changed.wait_for(lock, limit, [&] { return count >= times; });
	}
	int times()
	{
		std::lock_guard<std::mutex> lock(mutex);

		return count;
	}

private:
	std::mutex mutex;
	std::condition_variable changed;
	int count = 0;
};

/* Collects the output to stderr during its lifetime. */
class captured_stderr {
public:
	captured_stderr() : file(::memfd_create("stderr", 0)), saved(::dup(2)) { ::dup2(file, 2); }
	~captured_stderr()
	{
		::dup2(saved, 2);
		::close(saved);
		::close(file);
	}
	bool has(const std::string &text) const
	{
		char buffer[65536];
		ssize_t size = ::pread(file, buffer, sizeof(buffer), 0);

		return std::string(buffer, size > 0 ? size : 0).find(text) != std::string::npos;
	}

private:
	int file, saved;
};

/* Returns the value, in both kinds of sources. */
#if IPC_RESULTS
template <typename T> T must(ipc::result<T> r)
{
	if (!r) {
		std::printf("# unexpected: %s\n", r.error().what());
		std::fflush(stdout);
		std::abort();
	}
	if constexpr (!std::is_void_v<T>)
		return *std::move(r);
}
#else
template <typename T> T must(T value)
{
	return value;
}
#endif

/* A private bus with a service manager, which the test kills. */
class mortal_bus {
public:
	mortal_bus()
	{
		const char *build = std::getenv("B");
		const std::string daemon = std::string(build ? build : "build") + "/daemon/ipcbusd";
		int input[2];

		if (!::mkdtemp(folder) || ::pipe2(input, O_CLOEXEC) < 0)
			std::abort();
		pid = ::fork();
		if (pid == 0) {
			::dup2(input[0], 0);
			::execl(daemon.c_str(), daemon.c_str(), "--bus", path().c_str(), "--",
				"tests/env/with-manager", "cat", nullptr);
			::_exit(127);
		}
		::close(input[0]);
		command = ipc::fd(input[1]);
	}
	~mortal_bus()
	{
		kill();
		::unlink(path().c_str());
		::rmdir(folder);
	}
	void kill()
	{
		if (pid > 0)
			::kill(pid, SIGKILL), ::waitpid(pid, nullptr, 0);
		pid = -1;
		command.reset();
	}

	std::string path() const { return std::string(folder) + "/bus"; }

	ipc::connection open() const
	{
		while (ipc::c::ipc_wait_manager(path().c_str(), IPC_NEVER) != 1)
			std::this_thread::sleep_for(10ms);
		return must(ipc::connection::open(path().c_str()));
	}

private:
	char folder[32] = "/tmp/ipc-cpp-bus.XXXXXX";
	pid_t pid;
	ipc::fd command;
};

/* Serves a connection on its own thread. */
class serving {
public:
	explicit serving(ipc::connection of, unsigned int threads = 1) : conn(std::move(of))
	{
		(void)conn.set_threads(threads);
		thread = std::thread([this] { (void)conn.run(); });
	}
	~serving()
	{
		conn.stop();
		thread.join();
	}

private:
	ipc::connection conn;
	std::thread thread;
};

struct pair {
	explicit pair(std::function<ipc::outcome<void>(ipc::call)> by, unsigned int threads = 2,
		      bool accept_fds = true)
		: server(must(ipc::connection::open())), client(must(ipc::connection::open())),
		  object(must(ipc::object::create(server, { "test.Cpp", accept_fds }, std::move(by)))),
		  proxy((must_register(), must(client.get("test.cpp")))),
		  server_thread(std::make_unique<serving>(server, threads)),
		  client_thread(std::make_unique<serving>(client, 2))
	{
	}
	~pair() { (void)server.unregister_name("test.cpp"); }

	void must_register()
	{
#if IPC_RESULTS
		must(server.register_name("test.cpp", object));
#else
		server.register_name("test.cpp", object);
#endif
	}

	ipc::connection server, client;
	ipc::object object;
	ipc::proxy proxy;
	std::unique_ptr<serving> server_thread, client_thread;
};

#endif /* TESTS_LANGUAGES_CPP_FIXTURE_HPP */
