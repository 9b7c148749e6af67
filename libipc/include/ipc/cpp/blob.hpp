/* SPDX-License-Identifier: MIT */
/*
 * Fields of the type ipc.Blob in messages of protobuf: see with_objects in
 * <ipc/cpp/protobuf.hpp>. The names here are not for programs.
 */
#ifndef IPC_CPP_BLOB_HPP
#define IPC_CPP_BLOB_HPP

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <sys/mman.h>

#include <map>

#include <ipc/ipc.hpp>

IPC_CPP_BEGIN

namespace detail {

using blob_field = google::protobuf::Message;

/* A larger blob travels as a sealed file. A smaller one is part of its message. */
constexpr std::size_t blob_inside = 64 * 1024;
/* All blobs of a message that travel as files have at most so many bytes: IPC_MESSAGE_MAX. */
constexpr std::uint64_t blob_max = 1 << 30;

/* How many bytes a blob has outside its message. */
inline std::uint64_t size_outside(const blob_field &blob)
{
	const google::protobuf::Descriptor *type = blob.GetDescriptor();
	const google::protobuf::Reflection *by = blob.GetReflection();

	return by->HasField(blob, type->FindFieldByNumber(2)) ?
		       0 :
		       by->GetUInt64(blob, type->FindFieldByNumber(1));
}

/* Calls function(blob, size) for each blob that lies outside the message, in the order in which
 * both sides count them. */
template <typename F> void each_blob(const google::protobuf::Message &m, F &function)
{
	using google::protobuf::FieldDescriptor;
	const google::protobuf::Reflection *by = m.GetReflection();
	std::vector<const FieldDescriptor *> fields;

	if (m.GetDescriptor()->full_name() == "ipc.Blob") {
		if (std::uint64_t size = size_outside(m))
			function(m, size);
		return;
	}
	/* By number. */
	by->ListFields(m, &fields);
	for (const FieldDescriptor *field : fields) {
		if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
			continue;
		if (!field->is_repeated()) {
			each_blob(by->GetMessage(m, field), function);
			continue;
		}
		for (int i = 0, n = by->FieldSize(m, field); i < n; i++)
			each_blob(by->GetRepeatedMessage(m, field, i), function);
	}
}

/* The files of the large blobs of a message to be sent. */
class blob_files {
public:
	/* 0 or -errno. */
	int add(const blob_field &blob, std::string_view bytes)
	{
		int r = c::ipc_payload_make_blob(bytes.data(), bytes.size(), IPC_NEVER);

		if (r < 0)
			return r;
		files[&blob] = fd(r);
		return 0;
	}
	void remove(const blob_field &blob) { files.erase(&blob); }
	bool empty() const noexcept { return files.empty(); }

	/* Calls enter(tag, fd) for each that is in the message. */
	template <typename F> void each(const google::protobuf::Message &m, F enter) const
	{
		std::uint64_t number = 0;
		auto look = [&](const blob_field &blob, std::uint64_t) {
			auto file = files.find(&blob);

			if (file != files.end())
				enter(IPC_RAW_BLOB_TAG + number, file->second.get());
			number++;
		};

		each_blob(m, look);
	}

private:
	std::map<const blob_field *, fd> files;
};

/* A file that is mapped for reading. */
class mapping {
public:
	mapping(void *data, std::size_t size) noexcept : data(data), size(size) {}
	mapping(const mapping &) = delete;
	~mapping() { ::munmap(data, size); }

	std::string_view bytes() const noexcept { return { static_cast<const char *>(data), size }; }

private:
	void *data;
	std::size_t size;
};

/* The blobs of a message that was received. */
class arrived_blobs {
public:
	/* A blob of m, which came with from. */
	outcome<std::string_view> view(const received &from, const google::protobuf::Message &m,
				       const blob_field &blob)
	{
		if (!is_known) {
			if (!find_all(from, m))
				return fail<std::string_view>(EBADMSG);
			is_known = true;
		}
		auto at = places.find(&blob);

		if (at == places.end())
			return fail<std::string_view>(ENOENT);

		place &p = at->second;

		if (p.tag && !p.file) {
			int r = map(from, p);

			if (r < 0)
				return fail<std::string_view>(r);
		}
		if (p.tag)
			return p.file->bytes();
		if (p.offset > rest.size() || p.size > rest.size() - p.offset)
			return fail<std::string_view>(EBADMSG);
		return rest.substr(p.offset, p.size);
	}

	/* Whether the message may have a file of so many bytes beside the others. */
	bool count(std::uint64_t size)
	{
		if (size > left)
			return false;
		left -= size;
		return true;
	}

private:
	struct place {
		std::uint64_t size;
		std::uint64_t tag;	/* of its file; 0: it lies behind the message */
		std::uint64_t offset;
		std::unique_ptr<mapping> file;
	};

	/* Whether it was taken or not. Other entries may have the same tag. */
	static c::ipc_raw_entry *file_of(const received &from, std::uint64_t tag)
	{
		for (std::size_t i = 0; i < from.size(); i++)
			if (from.tag(i) == tag && from.type(i) == c::IPC_RAW_FD)
				return &from.raw->entries[i];
		return nullptr;
	}

	bool find_all(const received &from, const google::protobuf::Message &m)
	{
		std::string_view payload = from.payload();
		std::uint64_t number = 0, offset = 0;
		const void *data;
		std::size_t size;

		if (c::ipc_payload_blobs(payload.data(), payload.size(), &data, &size) < 0)
			return false;
		rest = { static_cast<const char *>(data), size };

		auto look = [&](const blob_field &blob, std::uint64_t bytes) {
			std::uint64_t tag = IPC_RAW_BLOB_TAG + number++;

			if (file_of(from, tag)) {
				places[&blob] = { bytes, tag, 0, nullptr };
				return;
			}
			places[&blob] = { bytes, 0, offset, nullptr };
			/* Once it is behind the end it stays there. */
			if (bytes > rest.size() || offset > rest.size())
				offset = UINT64_MAX;
			else
				offset += (bytes + 7) / 8 * 8;
		};

		each_blob(m, look);
		return true;
	}

	/* 0 or -errno: see with_objects::blob(). */
	int map(const received &from, place &p)
	{
		void *data;

		if (!count(p.size))
			return -EMSGSIZE;

		fd file(c::ipc_take_fd(&file_of(from, p.tag)->fd));

		int r = c::ipc_payload_check_blob(file.get(), p.size);

		if (r < 0)
			return r;
		data = ::mmap(nullptr, p.size, PROT_READ, MAP_PRIVATE, file.get(), 0);
		if (data == MAP_FAILED)
			return -errno;
		p.file = std::make_unique<mapping>(data, p.size);
		return 0;
	}

	std::map<const blob_field *, place> places;
	std::string_view rest;
	std::uint64_t left = blob_max;
	bool is_known = false;
};

} // namespace detail

IPC_CPP_END

#endif /* IPC_CPP_BLOB_HPP */
