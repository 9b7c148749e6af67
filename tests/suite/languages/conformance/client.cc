// SPDX-License-Identifier: MIT
/*
 * The cases of conform.proto and versions.proto in C++: `client NAME CASE...`.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include <google/protobuf/util/message_differencer.h>

#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "conform.ipc.hpp"
#include "ipc/ipc.pb.h"
#include "versions.ipc.hpp"

#define STRING(text) #text
#define LINE_OF(line) STRING(line)
/* Fails the case unless the condition holds. */
#define CHECK(condition) \
	((condition) ? void() : throw std::runtime_error(__FILE__ ":" LINE_OF(__LINE__) ": " #condition))

namespace {

using google::protobuf::util::MessageDifferencer;
using namespace std::chrono_literals;

/* Longer than any operation on a busy machine. */
constexpr std::chrono::seconds LONG = 60s;

template <typename F> ipc::error error_of(F function)
{
	try {
		function();
	} catch (const ipc::error &e) {
		return e;
	}
	throw std::runtime_error("it did not fail");
}

template <typename F> bool fails(int code, F function)
{
	ipc::error e = error_of(function);

	if (e.number_of_errno() != code)
		std::cout << "# it failed with " << e.number_of_errno() << ", " << e.what() << '\n';
	return e.number_of_errno() == code;
}

/* An event of another thread, to wait for. */
class event {
public:
	void set()
	{
		std::lock_guard<std::mutex> lock(mutex);

		happened = true;
		changed.notify_all();
	}
	bool is_set()
	{
		std::lock_guard<std::mutex> lock(mutex);

		return happened;
	}
	bool wait()
	{
		std::unique_lock<std::mutex> lock(mutex);

		return changed.wait_for(lock, LONG, [&] { return happened; });
	}

private:
	std::mutex mutex;
	std::condition_variable changed;
	bool happened = false;
};

std::uint64_t in_ms(ipc::duration d)
{
	return d == ipc::never ? 0 : static_cast<std::uint64_t>(d.count() / 1000);
}

class guest : public conform::Visitor::Service {
public:
	conform::AskReply Ask(const conform::Number &request, const ipc::call &call) override
	{
		conform::AskReply reply;

		reply.set_number(request.number() + 1);
		reply.set_left_ms(in_ms(call.remaining()));
		return reply;
	}

	void Refuse(const ipc::call &) override { throw ipc::error("visitor.Busy", "not now"); }

	/* Waits on its own thread. */
	void Stay(const ipc::call &call) override
	{
		entered.set();
		while (!call.is_canceled())
			std::this_thread::sleep_for(5ms);
		left.set();
	}

	event entered, left;
};

struct bench {
	ipc::connection bus;
	std::string name;
	conform::Peer::Proxy peer;

	template <typename F> std::int64_t wait_for(F condition) const
	{
		conform::HangsReply hangs;

		for (int i = 0; i < 6000; i++) {
			hangs = peer.Hangs();
			if (condition(hangs))
				return hangs.canceled();
			std::this_thread::sleep_for(10ms);
		}
		throw std::runtime_error("handlers: " + hangs.ShortDebugString());
	}
	std::int64_t calm() const
	{
		return wait_for([](const conform::HangsReply &h) { return h.waiting() == 0; });
	}
	void hangs(std::int64_t waiting, std::int64_t canceled) const
	{
		wait_for([&](const conform::HangsReply &h) {
			return h.waiting() == waiting && h.canceled() == canceled;
		});
	}
};

conform::Number number(std::int64_t n)
{
	conform::Number m;

	m.set_number(n);
	return m;
}

ipc::with_objects<conform::VisitRequest> visit_of(const bench &b, const std::shared_ptr<guest> &by)
{
	ipc::with_objects<conform::VisitRequest> request;

	request.put(*request->mutable_visitor(), ipc::make_object(b.bus, by));
	return request;
}

conform::Kinds all_kinds()
{
	conform::Kinds m;

	m.set_i32(INT32_MIN);
	m.set_i64(INT64_MIN);
	m.set_u32(UINT32_MAX);
	m.set_u64(UINT64_MAX);
	m.set_s64(-5);
	m.set_f32(0xfedcba98);
	m.set_sf64(INT64_MIN + 1);
	m.set_single(0.25F);
	m.set_both(-1e300);
	m.set_flag(true);
	m.set_text("\xc3\xa4\xe2\x82\xac");
	m.set_data(std::string("\0\xff\n\0", 4));
	m.set_color(conform::BLUE);
	m.mutable_inner()->add_more()->set_text("deep");
	m.mutable_inner()->add_more()->set_text("deep");
	for (std::int32_t n : { 0, -1, INT32_MIN, INT32_MAX })
		m.add_list(n);
	m.add_names("");
	m.add_names(m.text());
	m.set_number(0);
	return m;
}

void test_calls(const bench &b)
{
	conform::Kinds reply = b.peer.Echo(all_kinds());

	CHECK(MessageDifferencer::Equals(reply, all_kinds()));
	CHECK(reply.choice_case() == conform::Kinds::kNumber);
	CHECK(MessageDifferencer::Equals(b.peer.Echo(conform::Kinds()), conform::Kinds()));
	b.peer->ping();
}

void test_errors(const bench &b)
{
	conform::Failure failure;

	failure.set_name("conform.Odd");
	failure.set_text("an odd \xc3\xa4");
	failure.set_number(-7);
	failure.set_details(std::string("\0\xff\n\0", 4));
	ipc::error odd = error_of([&] { b.peer.Fail(failure); });
	CHECK(odd.number_of_errno() == EREMOTEIO && odd.origin() == ipc::origin::peer);
	CHECK(odd.name() == failure.name() && odd.text() == failure.text());
	CHECK(odd.number() == -7 && odd.details() == failure.details());
	failure.set_code(ENOENT);
	odd = error_of([&] { b.peer.Fail(failure); });
	CHECK(odd.is(ipc::errc::service_error) && odd.number_of_errno() == ENOENT);

	failure.Clear();
	failure.set_code(ENOTEMPTY);
	failure.set_text("something is left");
	ipc::error plain = error_of([&] { b.peer.Fail(failure); });
	CHECK(plain.number_of_errno() == ENOTEMPTY && plain.origin() == ipc::origin::peer);
	CHECK(plain.name().empty() && plain.text() == failure.text());

	/* A service cannot report that its own process is dead. */
	failure.set_code(EOWNERDEAD);
	ipc::error behind = error_of([&] { b.peer.Fail(failure); });
	CHECK(behind.number_of_errno() == EREMOTEIO && behind.cause() == EOWNERDEAD);
	CHECK(behind.origin() == ipc::origin::behind);

	const ipc::proxy &raw = *b.peer;
	CHECK(fails(ENOMSG, [&] { b.peer.Drop(); }));
	CHECK(fails(EBADMSG, [&] { raw.call(ipc::message(9, "\x0a\xff")); }));
	CHECK(fails(EOPNOTSUPP, [&] { raw.call(ipc::message(0x80000001)); }));
	CHECK(fails(EPROTO, [&] { raw.call(ipc::message(8)); }));
	ipc::error nobody = error_of([&] { b.bus.get<conform::Peer>("conform.nobody"); });
	ipc::error unchecked = error_of([&] { b.bus.check_name("conform.nobody"); });
	ipc::error unregistered = error_of([&] { b.bus.unregister_name("conform.nobody"); });
	for (const ipc::error &e : { nobody, unchecked }) {
		CHECK(e.number_of_errno() == ENOENT);
		CHECK(std::string(e.what()) == "conform.nobody: no process has registered the name");
	}
	CHECK(unregistered.number_of_errno() == ENOENT);
	CHECK(std::string(unregistered.what()) == "conform.nobody: " IPC_NAME_NOT_OWNED);
	ipc::error other = error_of([&] { b.bus.get<conform::Visitor>(b.name); });
	CHECK(other.number_of_errno() == EPROTOTYPE);
	CHECK(std::string(other.what()) ==
	      b.name + ": the object has another interface");
}

void test_oneways(const bench &b)
{
	for (int i = 0; i < 50; i++)
		b.peer.Note(number(i * 1000));
	/* Another thread may serve the last oneway. */
	for (int i = 0; i < 6000; i++) {
		conform::Numbers numbers = b.peer.Notes();

		for (int j = 0; j < numbers.numbers_size(); j++)
			CHECK(numbers.numbers(j) == j * 1000);
		if (numbers.numbers_size() == 50)
			return;
		std::this_thread::sleep_for(10ms);
	}
	CHECK(!"all have arrived");
}

void test_callbacks(const bench &b)
{
	auto by = std::make_shared<guest>();
	auto own = ipc::make_object(b.bus, by);
	ipc::with_objects<conform::VisitRequest> request;

	request.put(*request->mutable_visitor(), own);
	request->set_number(41);
	request->set_refuse(true);
	auto reply = b.peer.Visit(request);
	CHECK(reply->number() == 42 && reply->left_ms() == 0);
	CHECK(reply->refused() == "visitor.Busy: not now");
	/* The server's object, and the own one, which came back. */
	CHECK(fails(EXDEV, [&] { reply.take_object(reply->host()); }));
	auto host = reply.take<conform::Visitor>(reply->host());
	CHECK(fails(ENOENT, [&] { reply.take<conform::Visitor>(reply->host()); }));
	CHECK(host.Ask(number(7)).number() == 8);
	CHECK(reply.take_object(reply->back()) == own);
	CHECK(fails(ENOENT, [&] { reply.take_object(reply->back()); }));
	CHECK(fails(ENOENT, [&] { b.peer.Visit(ipc::with_objects<conform::VisitRequest>()); }));
}

std::string text_of(const ipc::fd &file)
{
	char text[64] = "";
	ssize_t n = ::pread(file.get(), text, sizeof(text), 0);

	CHECK(n >= 0);
	return std::string(text, static_cast<std::size_t>(n));
}

void test_fds(const bench &b)
{
	ipc::with_objects<conform::WriteRequest> request;
	ipc::fd file(::memfd_create("file", MFD_CLOEXEC));

	request->set_text("by the server");
	request.put(*request->mutable_file(), file.duplicate());
	auto reply = b.peer.Write(request);
	CHECK(text_of(file) == "by the server");
	ipc::fd same = reply.take_fd(reply->same()), other = reply.take_fd(reply->other());
	CHECK(text_of(same) == "by the server" && text_of(other) == "by the server");
	CHECK(::fcntl(same.get(), F_GETFD) == FD_CLOEXEC);
	CHECK(::fcntl(other.get(), F_GETFD) == FD_CLOEXEC);
	/* It is the same file, and the other is another one. */
	CHECK(::pwrite(file.get(), "BY", 2, 0) == 2);
	CHECK(text_of(same) == "BY the server" && text_of(other) == "by the server");
	CHECK(fails(ENOENT, [&] { reply.take_fd(reply->same()); }));
}

void test_bytes(const bench &b)
{
	conform::Chunks request;

	/* The last chunk is larger than a region. */
	for (std::size_t size : { 0, 5, 100001, 5000000, 3, 17 << 20 }) {
		std::string *chunk = request.add_chunks();

		chunk->resize(size);
		for (std::size_t i = 0; i < size; i++)
			(*chunk)[i] = static_cast<char>(i * 7 + static_cast<std::size_t>(request.chunks_size()));
	}

	conform::Chunks reply = b.peer.Turn(request);
	int n = request.chunks_size();

	CHECK(reply.chunks_size() == n);
	for (int i = 0; i < n; i++)
		CHECK(reply.chunks(n - 1 - i) == request.chunks(i));
}

void test_streams(const bench &b)
{
	for (int last : { 100, 0 }) {
		auto numbers = b.peer.Count(number(last));

		for (int i = 1; i <= last; i++)
			CHECK(numbers.receive(LONG)->number() == i);
		CHECK(!numbers.receive(LONG));
	}
	auto numbers = b.peer.Count(number(-3));
	for (int i = 1; i <= 3; i++)
		CHECK(numbers.receive(LONG)->number() == i);
	ipc::error e = error_of([&] { numbers.receive(LONG); });
	CHECK(e.number_of_errno() == EREMOTEIO && e.name() == "conform.Negative");
	CHECK(e.text() == "it is negative");

	auto adding = b.peer.Total();
	for (int i = 0; i < 100; i++)
		adding.send(number(3), LONG);
	adding.end();
	CHECK(fails(EALREADY, [&] { adding.end(); }));
	CHECK(adding.finish(LONG).number() == 300);

	auto both = b.peer.Running();
	for (int i = 1; i <= 50; i++) {
		both.send(number(3), LONG);
		CHECK(both.receive(LONG)->number() == 3 * i);
	}
	both.end();
	CHECK(!both.receive(LONG));
}

/* Returns a stream with a timeout that sufficed for opening it. */
auto open_briefly(const bench &b)
{
	for (std::chrono::milliseconds brief = 200ms;; brief *= 4) {
		try {
			return b.peer.Running(ipc::options().timeout(brief));
		} catch (const ipc::error &e) {
			CHECK(e.number_of_errno() == ETIMEDOUT && brief < LONG);
		}
	}
}

void test_deadlines(const bench &b)
{
	const auto limit = static_cast<std::int64_t>(in_ms(LONG));
	ipc::options patient = ipc::options().timeout(LONG);

	CHECK(b.peer.Left().number() == 0);
	std::int64_t left = b.peer.Left(patient).number();
	CHECK(left > 0 && left <= limit);
	/* Calls by a handler inherit its deadline. */
	auto behind = b.peer.Visit(visit_of(b, std::make_shared<guest>()), patient)->left_ms();
	CHECK(behind > 0 && behind <= static_cast<std::uint64_t>(limit));

	/* On a busy machine the timeout may pass before the handler begins. */
	std::int64_t before = b.calm();
	std::chrono::milliseconds brief = 100ms;
	do {
		CHECK(brief < LONG);
		CHECK(fails(ETIMEDOUT, [&] { b.peer.Hang(ipc::options().timeout(brief)); }));
		brief *= 4;
	} while (b.calm() == before);

	CHECK(fails(ETIMEDOUT, [&] { b.peer.HangBriefly(); }));
	auto both = open_briefly(b);
	CHECK(fails(ETIMEDOUT, [&] { both.receive(LONG); }));
	b.calm();
}

void test_cancellation(const bench &b)
{
	std::int64_t canceled = b.calm();
	auto by = std::make_shared<guest>();

	auto first = ipc::cancellation::create(b.bus);
	auto hang = b.peer.Hang_future(ipc::options().cancellation(first));
	b.hangs(1, canceled);
	first.cancel();
	CHECK(hang.wait_for(LONG) == std::future_status::ready);
	CHECK(fails(ECANCELED, [&] { hang.get(); }));
	b.hangs(0, canceled + 1);

	auto both = b.peer.Running();
	both.send(number(1), LONG);
	both.receive(LONG);
	both->cancel();
	CHECK(fails(ECANCELED, [&] { both.receive(LONG); }));
	b.hangs(0, canceled + 2);

	/* If a handler is canceled, its calls are canceled too. */
	auto second = ipc::cancellation::create(b.bus);
	auto host = b.peer.Host_future(visit_of(b, by), ipc::options().cancellation(second));
	CHECK(by->entered.wait());
	second.cancel();
	CHECK(host.wait_for(LONG) == std::future_status::ready);
	CHECK(fails(ECANCELED, [&] { host.get(); }));
	CHECK(by->left.wait());
}

void test_versions(const bench &b)
{
	auto older = b.bus.get<versions::Older>(b.name + ".older");
	auto newer = b.bus.get<versions::Newer>(b.name + ".newer");
	versions::Question question;
	versions::Said request, said;

	request.set_text("hello");
	request.set_language("en");
	request.add_before()->set_text("before");
	request.set_tone(versions::LOUD);
	said.set_text("heard: hello");
	said.set_tone(versions::LOUD);
	CHECK(MessageDifferencer::Equals(older.Say(request), said));
	CHECK(fails(EOPNOTSUPP, [&] { older.Shout(request); }));

	question.set_text("why");
	versions::Reply reply = newer.Ask(question);
	CHECK(reply.text() == "why, 0 times" && reply.tone() == versions::GLAD);
}

void test_death(const bench &b)
{
	event died;
	ipc::slot slot = b.peer->on_death([&] { died.set(); });

	b.peer.Hangs();
	CHECK(!died.is_set());
	ipc::error e = error_of([&] { b.peer.Exit(); });
	CHECK(e.number_of_errno() == EOWNERDEAD && e.origin() == ipc::origin::bus);
	CHECK(died.wait());
	CHECK(fails(EOWNERDEAD, [&] { b.peer.Hangs(); }));
	CHECK(fails(EOWNERDEAD, [&] { b.peer.Note(number(1)); }));
}

const std::map<std::string, void (*)(const bench &)> cases = {
	{ "calls", test_calls },
	{ "errors", test_errors },
	{ "oneways", test_oneways },
	{ "callbacks", test_callbacks },
	{ "fds", test_fds },
	{ "bytes", test_bytes },
	{ "streams", test_streams },
	{ "deadlines", test_deadlines },
	{ "cancellation", test_cancellation },
	{ "versions", test_versions },
	{ "death", test_death },
};

bool run_case(const bench &b, const std::string &name)
{
	try {
		cases.at(name)(b);
		std::cout << "ok " << name << std::endl;
		return true;
	} catch (const std::exception &e) {
		std::cout << "# " << e.what() << "\nnot ok " << name << std::endl;
		return false;
	}
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 2) {
		std::cerr << "usage: " << argv[0] << " NAME CASE...\n";
		return 2;
	}

	auto bus = ipc::connection::open();
	bench b{ bus, argv[1], bus.wait<conform::Peer>(argv[1], LONG) };
	bool good = true;

	bus.set_threads(3);
	std::thread server([&] { bus.run(); });
	for (int i = 2; i < argc; i++)
		good = run_case(b, argv[i]) && good;
	bus.stop();
	server.join();
	return good ? 0 : 1;
}
