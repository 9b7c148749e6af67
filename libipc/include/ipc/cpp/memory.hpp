/* SPDX-License-Identifier: MIT */
/*
 * Shared memory, of <ipc/ipc.hpp>: class memory.
 */
#ifndef IPC_CPP_MEMORY_HPP
#define IPC_CPP_MEMORY_HPP

#include <ipc/cpp/basic.hpp>

IPC_CPP_BEGIN

/*
 * Memory that several processes map. Each sees the writes of the others. Its size never changes.
 * Copies are the same memory, which is unmapped in this process with the last copy. Any thread may
 * use it. Its users must synchronize access to the bytes themselves.
 *
 * It travels as a file: with_objects::put() and take_memory() send and receive a field of
 * the type ipc.Memory, message::add(tag, m.file()) and memory::map() do so in messages of bytes.
 */
class memory {
public:
	/* Access of receivers to created memory, and access that a receiver requests. */
	enum access { read_only = 0, writable = IPC_MEMORY_WRITE };

	/*
	 * Creates zeroed memory, which this process may read and write.
	 *
	 *   EINVAL   size is 0.
	 *   EFBIG    size is too large for a file.
	 *   EMFILE   This process cannot open more files.
	 */
	static outcome<memory> create(std::size_t size, access others = read_only)
	{
		c::ipc_memory *made;
		int r = c::ipc_memory_new(size, others, &made);

		if (r < 0)
			return detail::fail<memory>(r);
		return memory(made);
	}

	/*
	 * Maps memory that was received. A sender that may write can change the bytes at any time: copy
	 * them before you check them, unless is_sealed(). The process that first touches a page
	 * allocates it, even by reading.
	 *
	 *   EBADMSG  The file is no memory file of fixed size.
	 *   EPERM    Writing is requested, but the sender permits reading only.
	 */
	static outcome<memory> map(fd file, access wanted = read_only)
	{
		c::ipc_memory *mapped;
		int r = file ? c::ipc_memory_map(file.release(), wanted, &mapped) : -EBADMSG;

		if (r < 0)
			return detail::fail<memory>(r);
		return memory(mapped);
	}

	explicit memory(c::ipc_memory *owned) noexcept : raw(owned) {}
	memory(const memory &other) noexcept : raw(c::ipc_memory_ref(other.raw)) {}
	memory(memory &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
	memory &operator=(memory other) noexcept
	{
		std::swap(raw, other.raw);
		return *this;
	}
	~memory() { c::ipc_memory_unref(raw); }

	/* Writing to memory that was mapped read_only, or was sealed, ends the program by SIGSEGV. */
	void *data() const noexcept { return c::ipc_memory_data(raw); }
	std::size_t size() const noexcept { return c::ipc_memory_size(raw); }
	std::string_view bytes() const noexcept { return { static_cast<const char *>(data()), size() }; }

	/* Seals the memory: from now on no process can write to it, including this process. EBUSY:
	 * another process has it mapped for writing; in this process it is read-only
	 * nevertheless. */
	outcome<void> seal() const { return detail::check(c::ipc_memory_seal(raw)); }
	bool is_sealed() const noexcept { return c::ipc_memory_is_sealed(raw) == 1; }

	/* A new file descriptor of the memory, for sending. */
	outcome<fd> file() const
	{
		int copy = ::fcntl(c::ipc_memory_get_fd(raw), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (copy < 0)
			return detail::fail<fd>(-errno);
		return fd(copy);
	}

	/* For ipc::c. */
	c::ipc_memory *c_ptr() const noexcept { return raw; }

private:
	c::ipc_memory *raw;
};

IPC_CPP_END

#endif /* IPC_CPP_MEMORY_HPP */
