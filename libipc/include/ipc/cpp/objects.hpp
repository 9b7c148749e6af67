/* SPDX-License-Identifier: MIT */
/*
 * Messages of generated code, of <ipc/cpp/protobuf.hpp>: objects, files and memory in messages, and
 * the conversion to bytes.
 */
#ifndef IPC_CPP_OBJECTS_HPP
#define IPC_CPP_OBJECTS_HPP

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <ipc/cpp/codec.hpp>
#include <ipc/cpp/memory.hpp>
#include <ipc/ipc.hpp>

IPC_CPP_BEGIN

/* Represents ipc.None. */
struct no_message {};

/* A request of that type, which is not examined. */
struct ignored {
	bool ParseFromArray(const void *, int) { return true; }
};

/* --- Messages with objects and files ----------------------------------------------------- */

/*
 * A message and the objects and files of its fields. -> and * access protobuf's message.
 *
 *	ipc::with_objects<chat::JoinRequest> request;
 *	request->set_name("me");
 *	request.put(*request->mutable_member(), object);
 *
 * In a received message, take(), take_fd() and take_memory() move the content of a field out, once.
 * Objects and files that are not taken are freed with the message. put() and take() fail as
 * received::take_proxy() does.
 *
 * One thread at a time uses a message.
 */
template <typename T> class with_objects {
public:
	with_objects() = default;
	with_objects(T message) : held(std::move(message)) {}

	T &operator*() noexcept { return held; }
	const T &operator*() const noexcept { return held; }
	T *operator->() noexcept { return &held; }
	const T *operator->() const noexcept { return &held; }

	/* --- To be sent. field is a field of the message, of type ipc.Object or ipc.Fd. --- */

	template <typename Field> void put(Field &field, const object &o)
	{
		field.set_id(++tags);
		out.add(tags, o);
	}
	template <typename Field> void put(Field &field, const proxy &p)
	{
		field.set_id(++tags);
		out.add(tags, p);
	}
	template <typename Field> void put(Field &field, fd file)
	{
		field.set_fd(static_cast<std::int32_t>(++tags));
		out.add(tags, std::move(file));
	}

	/* Puts a file descriptor of the memory into a field of type ipc.Memory. EMFILE: this
	 * process cannot open more files. */
	template <typename Field> outcome<void> put(Field &field, const memory &m)
	{
		outcome<fd> copy = m.file();
#if IPC_RESULTS
		if (!copy)
			return copy.error();
		put(*field.mutable_fd(), *std::move(copy));
#else
		put(*field.mutable_fd(), std::move(copy));
#endif
		return detail::done();
	}

	/* --- Received --- */

	/* The object in a field, as a proxy of Service::Proxy, or as an ipc::proxy. */
	template <typename Service, typename Field>
	outcome<typename Service::Proxy> take(const Field &field) const
	{
		using Proxy = typename Service::Proxy;
#if IPC_RESULTS
		result<proxy> p = take_proxy(field);

		if (!p)
			return p.error();
		return Proxy(*std::move(p));
#else
		return Proxy(take_proxy(field));
#endif
	}
	template <typename Field> outcome<proxy> take_proxy(const Field &field) const
	{
		return in ? in->take_proxy(field.id()) : detail::no_entry<proxy>();
	}
	/* An object of this connection that came back. */
	template <typename Field> outcome<object> take_object(const Field &field) const
	{
		return in ? in->take_object(field.id()) : detail::no_entry<object>();
	}
	template <typename Field> outcome<fd> take_fd(const Field &field) const
	{
		return in ? in->take_fd(static_cast<std::uint64_t>(field.fd())) :
			    detail::no_entry<fd>();
	}

	/*
	 * The memory in a field of type ipc.Memory: see memory::map().
	 *
	 *   EMSGSIZE  The files of the message are larger than 1 GiB together.
	 *   ENOENT    The field is empty, or its memory was taken before.
	 */
	template <typename Field>
	outcome<memory> take_memory(const Field &field, memory::access wanted = memory::read_only) const
	{
#if IPC_RESULTS
		result<fd> file = take_fd(field.fd());

		if (!file)
			return file.error();
		result<memory> m = memory::map(*std::move(file), wanted);

		if (m && !count(m->size()))
			return detail::fail<memory>(EMSGSIZE);
#else
		memory m = memory::map(take_fd(field.fd()), wanted);

		if (!count(m.size()))
			return detail::fail<memory>(EMSGSIZE);
#endif
		return m;
	}

private:
	friend struct typed_access;

	/* Whether the message may have another file of that size. */
	bool count(std::uint64_t size) const
	{
		if (size > left)
			return false;
		left -= size;
		return true;
	}

	T held;
	message out;
	std::uint64_t tags = 0;
	mutable std::uint64_t left = IPC_MESSAGE_MAX;
	/* The owner of the objects: the request of a call, or owned. */
	const received *in = nullptr;
	std::shared_ptr<const received> owned;
};

namespace detail {

/* Whether all strings of a message may be sent. */
inline bool has_valid_text(const google::protobuf::Message &m)
{
	using google::protobuf::FieldDescriptor;
	const google::protobuf::Reflection *by = m.GetReflection();
	std::vector<const FieldDescriptor *> fields;
	std::string space;

	by->ListFields(m, &fields);
	for (const FieldDescriptor *field : fields) {
		bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
		bool is_single = !field->is_repeated();

		if (!is_message && field->type() != FieldDescriptor::TYPE_STRING)
			continue;
		for (int i = 0, n = is_single ? 1 : by->FieldSize(m, field); i < n; i++)
			if (is_message ? !has_valid_text(is_single ?
							 by->GetMessage(m, field) :
							 by->GetRepeatedMessage(m, field, i)) :
			    !typed::is_text(is_single ?
					    by->GetStringReference(m, field, &space) :
					    by->GetRepeatedStringReference(m, field, i, &space)))
				return false;
	}
	return true;
}

/* The lite runtime cannot check this. */
inline bool has_valid_text(const google::protobuf::MessageLite &) { return true; }

} // namespace detail

/* Between the messages and the bus. Not for programs. */
struct typed_access {
	/* The bytes of a small message lie on the stack. */
	class packed {
	public:
		packed(const packed &) = delete;
		template <typename T> explicit packed(const T &m) : size(m.ByteSizeLong())
		{
			if (!typed::codec<T>::exists || size > sizeof(block) || !put(m)) {
				pack(m);
				/* Fast path: a single check of all bytes usually suffices. */
				valid = typed::is_ascii(bytes()) || detail::has_valid_text(m);
			}
		}
		~packed()
		{
			if (at != block)
				delete[] at;
		}
		std::string_view bytes() const noexcept
		{
			return { reinterpret_cast<const char *>(at), size };
		}
		/* False: a string is not UTF-8, or has a NUL byte. */
		bool is_valid() const noexcept { return __builtin_expect(valid, 1); }

	private:
		/* The size differs if the message has fields that the codec does not know. */
		template <typename T> bool put(const T &m)
		{
			typed::packer out(block, sizeof(block));

			return typed::codec<T>::put(m, out) && out.at() == block + size;
		}
		__attribute__((noinline)) void pack(const google::protobuf::MessageLite &m)
		{
			if (size > sizeof(block))
				at = new std::uint8_t[size];
			/* More than 2 GiB fails when it is sent: no region is as large. */
			if (size <= INT32_MAX)
				m.SerializeWithCachedSizesToArray(at);
		}

		std::uint8_t *at = block;
		std::size_t size;
		bool valid = true;
		std::uint8_t block[typed::small];
	};

	/* An error with the return type of function(message). */
	template <typename R, typename T> static __attribute__((noinline)) R invalid(const T &m)
	{
		error e(EINVAL, m.GetTypeName() + ": a string is not UTF-8, or has a NUL byte");

#if IPC_RESULTS
		return e;
#else
		return detail::fail<R>(std::move(e));
#endif
	}

	/* Calls function(message to be sent). */
	template <typename F> static auto send(std::uint32_t number, const no_message &, F function)
	{
		return function(message(number));
	}
	template <typename T, typename F>
	static auto send(std::uint32_t number, const T &m, F function)
	{
		packed bytes(m);

		if (!bytes.is_valid())
			return invalid<decltype(function(message(number)))>(m);
		return function(message(number, bytes.bytes()));
	}
	template <typename T, typename F>
	static auto send(std::uint32_t number, const with_objects<T> &m, F function)
	{
		packed bytes(m.held);
		message copy = m.out.copy();

		if (!bytes.is_valid())
			return invalid<decltype(function(std::move(copy)))>(m.held);
		copy.bytes(bytes.bytes()).method(number);
		return function(std::move(copy));
	}

	/* Returns false if protobuf must do it. */
	template <typename T> static bool take(T &m, std::string_view bytes)
	{
		typed::unpacker in(bytes);

		return typed::codec<T>::exists && bytes.size() <= typed::small &&
		       typed::codec<T>::take(m, in);
	}
	template <typename T>
	static __attribute__((noinline)) bool parse_other(T &m, std::string_view bytes)
	{
		return bytes.size() <= INT32_MAX &&
		       m.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
	}
	template <typename T> static bool parse(T &m, std::string_view bytes)
	{
		return take(m, bytes) || parse_other(m, bytes);
	}

	/* Replies to a call. */
	template <typename T> static outcome<void> reply(call c, const T &m)
	{
		packed bytes(m);
		c::ipc_raw_message out = {};

		if (!bytes.is_valid())
			return invalid<outcome<void>>(m);
		out.data = bytes.bytes().data();
		out.size = bytes.bytes().size();
		return std::move(c).reply_raw(out);
	}
	template <typename T> static outcome<void> reply(call c, const with_objects<T> &m)
	{
		return send(0, m, [&](message out) { return std::move(c).reply(out); });
	}

	/* --- Calls without objects --- */

	template <typename T>
	static constexpr bool is_bytes = std::is_base_of_v<google::protobuf::MessageLite, T>;

	template <typename Reply, typename T>
	static outcome<Reply> call_bytes(const proxy &p, std::uint32_t number, bool accept_fds,
					 const T &m, const options &with)
	{
		c::ipc_error e = c::no_error();
		c::ipc_raw_message out = {}, *raw;
		Reply got;
		packed bytes(m);
		int r;

		if (!bytes.is_valid())
			return invalid<outcome<Reply>>(m);
		out.method = number;
		/* A large reply is a file. */
		out.flags = accept_fds ? IPC_RAW_ACCEPT_FDS : 0;
		out.data = bytes.bytes().data();
		out.size = bytes.bytes().size();
		r = c::ipc_raw_call(p.c_ptr(), &out, with.c_ptr(), &raw, &e);
		if (__builtin_expect(r == 0, 1) && !parse(got, ipc::reply(raw).bytes()))
			r = -EBADMSG;
		/* If this throws, got is returned unchanged. */
#if IPC_RESULTS
		if (r < 0)
			return detail::fail<Reply>(r, &e);
#else
		if (__builtin_expect(r < 0, 0))
			detail::fail<void>(r, &e);
#endif
		return got;
	}

	/* Into a request, whose objects stay with the call. */
	template <typename T> static bool receive(T &m, const request &from)
	{
		return parse(m, from.bytes());
	}
	template <typename T> static bool receive(with_objects<T> &m, const request &from)
	{
		m.in = &from;
		return parse(m.held, from.bytes());
	}

	/* Into a message of a stream. */
	template <typename T> static bool receive(T &m, const item &from)
	{
		return parse(m, from.bytes());
	}
	template <typename T> static bool receive(with_objects<T> &m, const item &from)
	{
		m.owned = std::make_shared<const item>(from);
		m.in = m.owned.get();
		return parse(m.held, from.bytes());
	}

	/* Into a reply. */
	template <typename T> static bool receive(T &m, ipc::reply from)
	{
		return parse(m, from.bytes());
	}
	template <typename T> static bool receive(with_objects<T> &m, ipc::reply from)
	{
		m.owned = std::make_shared<const ipc::reply>(std::move(from));
		m.in = m.owned.get();
		return parse(m.held, m.in->bytes());
	}
};

IPC_CPP_END

#endif /* IPC_CPP_OBJECTS_HPP */
