/* SPDX-License-Identifier: MIT */
/*
 * Messages of <ipc/ipc.hpp>: a message to send, and received requests and replies.
 */
#ifndef IPC_CPP_MESSAGE_HPP
#define IPC_CPP_MESSAGE_HPP

#include <string_view>

#include <ipc/cpp/basic.hpp>

IPC_CPP_BEGIN

class message;
class proxy;
class object;
struct typed_access;

/* --- Proxies and objects as handles --------------------------------------------- */

namespace detail {

/* A counted reference of a C structure. */
template <typename T, T *(*Ref)(T *), T *(*Unref)(T *)> class counted {
public:
	counted() = default;
	explicit counted(T *owned) noexcept : raw(owned) {}
	counted(const counted &other) noexcept : raw(Ref(other.raw)) {}
	counted(counted &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
	counted &operator=(counted other) noexcept
	{
		std::swap(raw, other.raw);
		return *this;
	}
	~counted() { Unref(raw); }

	/* The C structure, without a new reference. */
	T *c_ptr() const noexcept { return raw; }
	explicit operator bool() const noexcept { return raw; }
	friend bool operator==(const counted &a, const counted &b) noexcept
	{
		return a.raw == b.raw;
	}
	friend bool operator!=(const counted &a, const counted &b) noexcept
	{
		return a.raw != b.raw;
	}

protected:
	T *raw = nullptr;
};

using counted_proxy = counted<c::ipc_proxy, c::ipc_proxy_ref, c::ipc_proxy_unref>;
using counted_object = counted<c::ipc_object, c::ipc_object_ref, c::ipc_object_unref>;
using counted_connection = counted<c::ipc, c::ipc_ref, c::ipc_unref>;

} // namespace detail

/* --- To be sent ------------------------------------------------------------------- */

/*
 * A message to send: the number of a method, bytes, and entries. Entries are objects, proxies and
 * files beside the bytes, each with a tag. A reply has no method number.
 *
 *	ipc::message request(SHOW, text);
 *	request.add(1, callback).add(2, std::move(file));
 *
 * The caller owns the bytes, and they must not change until the sending function returns. The
 * message owns its entries. It can be sent several times.
 */
class message {
public:
	message() = default;
	explicit message(std::uint32_t method) noexcept { raw.method = method; }
	message(std::uint32_t method, std::string_view bytes) noexcept
	{
		raw.method = method;
		this->bytes(bytes);
	}
	/* A reply. */
	explicit message(std::string_view bytes) noexcept { this->bytes(bytes); }

	message(message &&other) noexcept
		: raw(other.raw), entries(std::move(other.entries)), borrowed(other.borrowed)
	{
		other.entries.clear();
	}
	message &operator=(message &&other) noexcept
	{
		std::swap(raw, other.raw);
		entries.swap(other.entries);
		std::swap(borrowed, other.borrowed);
		return *this;
	}
	~message() { release(); }

	message &bytes(std::string_view bytes) noexcept
	{
		raw.data = bytes.data();
		raw.size = bytes.size();
		return *this;
	}

	/* Adds an entry. A message with more than 64 fails with E2BIG when it is sent. */
	inline message &add(std::uint64_t tag, const object &o);
	inline message &add(std::uint64_t tag, const proxy &p);
	message &add(std::uint64_t tag, fd file)
	{
		c::ipc_raw_entry &entry = append(tag, c::IPC_RAW_FD);

		entry.fd = file.release();
		return *this;
	}

	/* Accepts files in the reply. Without it, a server that sends a file fails. */
	message &accept_fds() noexcept
	{
		raw.flags |= IPC_RAW_ACCEPT_FDS;
		return *this;
	}

	message &method(std::uint32_t number) noexcept
	{
		raw.method = number;
		return *this;
	}

	/* Returns a message with the same bytes and entries, which still belong to this message: it
	 * must outlive the returned message, which must not be changed by add(). */
	message copy() const
	{
		message m;

		m.raw = raw;
		m.entries = entries;
		m.borrowed = true;
		return m;
	}

	/* For ipc::c. Valid until the message changes. */
	const c::ipc_raw_message *c_ptr() const noexcept
	{
		raw.entries = const_cast<c::ipc_raw_entry *>(entries.data());
		raw.n_entries = entries.size();
		return &raw;
	}

private:
	friend struct typed_access;

	c::ipc_raw_entry &append(std::uint64_t tag, c::ipc_raw_type type)
	{
		c::ipc_raw_entry entry = {};

		entry.tag = tag;
		entry.type = type;
		entries.push_back(entry);
		return entries.back();
	}

	void release() noexcept
	{
		if (borrowed)
			return;
		for (c::ipc_raw_entry &entry : entries) {
			if (entry.type == c::IPC_RAW_OBJECT)
				c::ipc_object_unref(entry.object);
			else if (entry.type == c::IPC_RAW_PROXY)
				c::ipc_proxy_unref(entry.proxy);
			else if (entry.fd >= 0)
				::close(entry.fd);
		}
	}

	mutable c::ipc_raw_message raw = {};
	std::vector<c::ipc_raw_entry> entries;
	bool borrowed = false;
};

/* --- Received ------------------------------------------------------------------------ */

/*
 * A received message. It owns its contents: objects and files that are not taken are freed with
 * it. Only one thread at a time may use it.
 */
class received {
public:
	/* The bytes, read-only and 8-byte aligned, valid as long as the message. */
	std::string_view bytes() const noexcept { return text; }

	/* The number of entries; tag and kind of each of them. */
	std::size_t size() const noexcept { return raw->n_entries; }
	std::uint64_t tag(std::size_t i) const noexcept { return raw->entries[i].tag; }
	c::ipc_raw_type type(std::size_t i) const noexcept { return raw->entries[i].type; }

	/*
	 * Take the entry with a tag, once. Entries that are not taken are freed with the
	 * message.
	 *
	 *   ENOENT   There is none, it was taken before, or it is an own object that has ended.
	 *   EXDEV    take_proxy(): the object belongs to this connection. take_object(): it
	 *            belongs to another process.
	 *   EBADF    It is no file, or no object.
	 */
	inline outcome<proxy> take_proxy(std::uint64_t tag) const;
	inline outcome<object> take_object(std::uint64_t tag) const;
	outcome<fd> take_fd(std::uint64_t tag) const
	{
		c::ipc_raw_entry *entry = find(tag, true);
		int taken;

		if (!entry)
			return detail::no_entry<fd>();
		if (entry->type != c::IPC_RAW_FD)
			return detail::fail<fd>(EBADF);
		taken = c::ipc_take_fd(&entry->fd);
		if (taken < 0)
			return detail::fail<fd>(taken);
		return fd(taken);
	}

protected:
	explicit received(const c::ipc_raw_message *m) noexcept : raw(m)
	{
		if (m && m->size)
			text = { static_cast<const char *>(m->data), m->size };
	}

	/* A file and an object may have the same tag: in C they are numbers of the sender. Returns
	 * the entry of the wanted kind, else the entry of the other kind.
	 * Skips entries that were taken. */
	c::ipc_raw_entry *find(std::uint64_t tag, bool is_file) const noexcept
	{
		c::ipc_raw_entry *other = nullptr;

		for (std::size_t i = 0; i < raw->n_entries; i++) {
			if (raw->entries[i].tag != tag || is_taken(raw->entries[i]))
				continue;
			if ((raw->entries[i].type == c::IPC_RAW_FD) == is_file)
				return &raw->entries[i];
			other = &raw->entries[i];
		}
		return other;
	}

	static bool is_taken(const c::ipc_raw_entry &entry) noexcept
	{
		return entry.type == c::IPC_RAW_FD     ? entry.fd < 0 :
		       entry.type == c::IPC_RAW_OBJECT ? !entry.object :
							 !entry.proxy;
	}

	const c::ipc_raw_message *raw;
	std::string_view text;
};

/* The reply of a call. */
class reply : public received {
public:
	/* Takes ownership. */
	explicit reply(c::ipc_raw_message *owned) noexcept : received(owned) {}
	reply(reply &&other) noexcept : received(other)
	{
		other.raw = nullptr;
		other.text = {};
	}
	reply &operator=(reply &&other) noexcept
	{
		std::swap(raw, other.raw);
		std::swap(text, other.text);
		return *this;
	}
	~reply() { c::ipc_raw_free(const_cast<c::ipc_raw_message *>(raw)); }

private:
	reply(const reply &) = delete;
};

/* The request of a call. It is a part of the call, and valid as long as the call. */
class request : public received {
public:
	std::uint32_t method() const noexcept { return raw->method; }

private:
	friend class call;
	request(const c::ipc_raw_message *m, std::string_view bytes) noexcept : received(m)
	{
		text = bytes;
	}
};

IPC_CPP_END

#endif /* IPC_CPP_MESSAGE_HPP */
