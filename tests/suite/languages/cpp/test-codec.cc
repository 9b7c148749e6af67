// SPDX-License-Identifier: MIT
/*
 * Codecs of generated code, compared with protobuf: they must pack the same bytes, and unpack any
 * bytes to the same message or to none. The bytes also include damaged messages: truncated, with
 * flipped bits, and with other fields. Also tests the requests that a thread reuses.
 *
 *	ASAN_OPTIONS=malloc_context_size=2 ROUNDS=400000 SEED=2 codec.gcc messages_are_those_of_protobuf
 *
 * The option limits the stacks that the sanitizer records. With protobuf's code their number grows
 * without end.
 */
#include <google/protobuf/stubs/common.h>
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include <google/protobuf/stubs/logging.h>
#endif

#include <cstdlib>
#include <limits>
#include <random>

#include "fixture.hpp"

#include "plain.ipc.hpp"
#include "plain2.ipc.hpp"

namespace {

unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = std::getenv(name);

	return value ? std::strtoul(value, nullptr, 10) : otherwise;
}

/* --- Messages and bytes ------------------------------------------------------------------- */

std::mt19937_64 random_numbers(setting("SEED", 1));

std::size_t any(std::size_t n) { return random_numbers() % n; }

char any_byte() { return static_cast<char>(any(256)); }

/* A number of any length, often at the end of its range. */
template <typename T> T number()
{
	if (any(4) == 0)
		return any(2) ? std::numeric_limits<T>::max() : std::numeric_limits<T>::lowest();
	return static_cast<T>(random_numbers() >> any(64));
}

std::string characters(bool is_text)
{
	std::string s(any(16) ? any(20) : any(900), 'x');

	if (!is_text)
		for (char &c : s)
			c = any_byte();
	else if (any(8) == 0)
		s += "\xc3\xa4";
	return s;
}

#define SET(field, value)                     \
	do {                                  \
		if (any(3))                   \
			m.set_##field(value); \
	} while (0)

template <typename M> M filled()
{
	M m;

	SET(d, any(4) ? number<std::int32_t>() / 8.0 : -0.0);
	SET(f, any(4) ? static_cast<float>(number<std::int16_t>()) : -0.0F);
	SET(i64, number<std::int64_t>());
	SET(u64, number<std::uint64_t>());
	SET(i32, number<std::int32_t>());
	SET(f64, number<std::uint64_t>());
	SET(f32, number<std::uint32_t>());
	SET(flag, any(2));
	SET(text, characters(true));
	SET(data, characters(false));
	SET(u32, number<std::uint32_t>());
	SET(s32, number<std::int32_t>());
	SET(s64, number<std::int64_t>());
	SET(z32, number<std::int32_t>());
	SET(z64, number<std::int64_t>());
	if constexpr (std::is_same_v<M, plain::All>)
		SET(kind, static_cast<plain::Kind>(number<std::int32_t>()));
	return m;
}

/* Invalid or unknown input: an unknown field, a group, or a group without an end. */
std::string strange_field()
{
	static const std::string fields[] = {
		{ "\x80\x7d\x01", 3 }, { "\x53\x08\x01\x54", 4 }, { "\x53\x53\x54\x54", 4 }, "\x53",
		"\x54", { "\x00\x01", 2 }, { "\x48\x05", 2 }, { "\x0d\x00\x00\x00\x00", 5 },
		{ "\x52\x03xyz", 5 }, { "\x70\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
	};

	return fields[any(std::size(fields))];
}

template <typename M> void change(std::string &bytes)
{
	std::size_t at = any(bytes.size());

	switch (any(8)) {
	case 0:
		bytes.resize(at);
		break;
	case 1:
		bytes[at] = static_cast<char>(bytes[at] ^ 1 << any(8));
		break;
	case 2:
		bytes[at] = any_byte();
		break;
	case 3:
		bytes.insert(at, 1, any_byte());
		break;
	case 4:
		bytes.erase(at, 1);
		break;
	case 5:
		bytes += filled<M>().SerializePartialAsString();
		break;
	case 6:
		bytes.insert(any(2) ? bytes.size() : at, strange_field());
		break;
	default:
		/* If it is a number, encodes the same number with an unnecessary byte. */
		bytes[at] = static_cast<char>(bytes[at] | 0x80);
		bytes.insert(at + 1, 1, '\0');
	}
}

/* --- Codecs and protobuf ------------------------------------------------------------------ */

template <typename M> void check_packed(const M &m)
{
	ipc::typed_access::packed packed(m);

	CHECK(packed.bytes() == m.SerializePartialAsString());
}

/* Unpacks into a message that a codec filled before. Returns whether the codec succeeded again. */
template <typename M> bool check_parsed(M &into, const std::string &bytes)
{
	bool took = ipc::typed_access::take(into, bytes);
	bool good = took || ipc::typed_access::parse(into, bytes);
	M parsed;

	CHECK(parsed.ParseFromString(bytes) == good);
	if (good) {
		CHECK(into.SerializeAsString() == parsed.SerializeAsString());
		check_packed(into);
	}
	if (!took)
		into = M();
	return took;
}

template <typename M> void check_messages()
{
	unsigned long rounds = setting("ROUNDS", 3000), took = 0, changed_took = 0;
	M into;

	static_assert(ipc::typed::codec<M>::exists);
	for (unsigned long i = 0; i < rounds; i++) {
		M m = filled<M>();
		std::string bytes = m.SerializeAsString();
		bool is_ascii = ipc::typed::is_ascii(m.text());

		check_packed(m);
		CHECK(check_parsed(into, bytes) == (is_ascii && bytes.size() <= ipc::typed::small));
		took += is_ascii;
		for (int changes = 0; changes < 8 && !bytes.empty(); changes++) {
			change<M>(bytes);
			changed_took += check_parsed(into, bytes);
		}
	}
	/* Otherwise, the test would compare protobuf with itself. */
	CHECK(took > rounds / 2 && changed_took > rounds / 8);
}

CASE(messages_are_those_of_protobuf)
{
	if (std::getenv("ROUNDS"))
		alarm(0);
#if GOOGLE_PROTOBUF_VERSION < 4022000
	google::protobuf::LogHandler *before = google::protobuf::SetLogHandler(nullptr);
#endif
	check_messages<plain::All>();
	check_messages<plain2::All>();
#if GOOGLE_PROTOBUF_VERSION < 4022000
	google::protobuf::SetLogHandler(before);
#endif
}

/* Fields that the codec does not know are sent on with the message. */
CASE(unknown_fields_are_sent)
{
	const std::string bytes = std::string("\x2a\x02hi\x28\x05", 6) + "\x80\x7d\x01";
	plain::All m;
	plain::All again;

	CHECK(!ipc::typed_access::take(m, bytes));
	CHECK(m.ParseFromString(bytes));
	CHECK(m.i32() == 5);
	check_packed(m);
	CHECK(again.ParseFromString(m.SerializeAsString()));
	CHECK(again.SerializeAsString() == m.SerializeAsString());
}

CASE(numbers_that_are_too_long)
{
	plain::All m;

	CHECK(check_parsed(m, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	CHECK(m.i64() == -1);
	check_parsed(m, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
	check_parsed(m, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	CHECK(check_parsed(m, "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	CHECK(m.i32() == -1);
	CHECK(check_parsed(m, "\x40\x02"));
	CHECK(m.flag());
}

CASE(text_that_is_not_utf8)
{
	plain::All m;

	CHECK(!ipc::typed_access::take(m, "\x4a\x02\xc3("));
	CHECK(!ipc::typed_access::parse(m, "\x4a\x02\xc3("));
	CHECK(ipc::typed_access::parse(m, "\x4a\x02\xc3\xa4"));
	CHECK(m.text() == "\xc3\xa4");
}

CASE(messages_that_have_no_codec)
{
	static_assert(!ipc::typed::codec<plain::Others>::exists);
	plain::Others m;

	m.set_class_("x");
	m.add_many(1);
	check_packed(m);
}

/* --- The requests of a thread ------------------------------------------------------------- */

/* Returns the received bytes. While a text is longer than the number, it first calls its peer. */
class turner : public plain::Plain::Service {
public:
	plain::All Turn(const plain::All &request, const ipc::call &) override
	{
		const plain::All before = request;

		last = &request;
		if (request.flag())
			throw ipc::error(EIO);
		if (other && request.i32() > 0) {
			plain::All inner;

			inner.set_i32(request.i32() - 1);
			inner.set_text(request.text() + "x");
			CHECK(other->Turn(inner).text() == inner.text());
		}
		CHECK(request.SerializeAsString() == before.SerializeAsString());
		return request;
	}
	void Note(const plain::All &request, const ipc::call &) override
	{
		notes += request.SerializeAsString() + ";";
		noted.set();
	}
	plain::Others Other(const plain::Others &request, const ipc::call &) override { return request; }

	std::optional<plain::Plain::Proxy> other;
	const void *last = nullptr;
	std::string notes;
	event noted;
};

/* Two turners, each served by a thread. */
struct turners {
	turners()
		: left(std::make_shared<turner>()), right(std::make_shared<turner>()),
		  server(ipc::connection::open()), client(ipc::connection::open()),
		  objects{ ipc::make_object(server, left), ipc::make_object(client, right) },
		  proxy((server.register_name("test.left", objects[0]),
			 client.register_name("test.right", objects[1]),
			 client.get<plain::Plain>("test.left"))),
		  threads{ std::make_unique<serving>(server), std::make_unique<serving>(client) }
	{
		left->other = server.get<plain::Plain>("test.right");
		right->other = proxy;
	}
	~turners()
	{
		left->other.reset();
		right->other.reset();
		server.unregister_name("test.left");
		client.unregister_name("test.right");
	}

	/* Returns the result for the bytes. */
	std::string turned(const std::string &bytes) const
	{
		ipc::reply r = proxy->call({ number_of("plain.Plain/Turn"), bytes });

		return std::string(r.bytes());
	}

	std::shared_ptr<turner> left, right;
	ipc::connection server, client;
	ipc::object objects[2];
	plain::Plain::Proxy proxy;
	std::unique_ptr<serving> threads[2];
};

CASE(nothing_is_left_of_the_request_before)
{
	const std::string unknown = "\x80\x7d\x01", text = "\x4a\x04text", bad = "\x4a\x02\xc3(";
	turners t;
	plain::All m;
	const void *used;

	m.set_text("text");
	m.set_z64(-1);
	CHECK(t.proxy.Turn(m).SerializeAsString() == m.SerializeAsString());
	used = t.left->last;
	CHECK(t.proxy.Turn(plain::All()).ByteSizeLong() == 0);
	CHECK(t.left->last == used);

	/* A request with an unknown field is not reused. */
	CHECK(t.turned(text + unknown) == text + unknown);
	CHECK(t.turned(text) == text);
	CHECK(t.turned("") == "");
	CHECK_FAILS(EBADMSG, t.turned(text + bad));
	CHECK(t.turned("") == "");

	m.set_flag(true);
	CHECK_FAILS(EIO, t.proxy.Turn(m));
	CHECK(t.proxy.Turn(plain::All()).ByteSizeLong() == 0);
}

CASE(a_thread_that_serves_while_it_serves)
{
	turners t;
	plain::All m;

	m.set_i32(6);
	for (int i = 0; i < 3; i++) {
		m.set_text(std::string(i, 'y'));
		CHECK(t.proxy.Turn(m).text() == m.text());
	}
}

CASE(oneways)
{
	turners t;
	plain::All m;

	m.set_text("a");
	t.proxy.Note(m);
	t.proxy.Note(plain::All());
	m.set_text(std::string(5000, 'b'));
	t.proxy.Note(m);
	CHECK(t.left->noted.wait(3));
	CHECK(t.left->notes == "\x4a\x01" "a;;" + m.SerializeAsString() + ";");
}

/* A static destructor that calls a service must not find the thread's destroyed requests. */
struct at_exit {
	~at_exit() { use(); }
	static void use()
	{
		for (int i = 0; i < 2; i++) {
			ipc::typed::kept_request<plain::All> outer;
			ipc::typed::kept_request<plain::All> inner;

			(*inner).set_text(std::string(100, 'x'));
			if (!parse(outer) || !parse(inner) || !(*inner).text().empty())
				std::abort();
		}
	}
	static bool parse(ipc::typed::kept_request<plain::All> &m)
	{
		return m.parse("");
	}
} late;

CASE(threads_end)
{
	std::thread(at_exit::use).join();
	at_exit::use();
}

} // namespace

int main(int argc, char **argv) { return run_cases(argc, argv); }
