/* SPDX-License-Identifier: MIT */
/*
 * Fields of the type ipc.Blob in messages of protobuf: see with_objects in
 * <ipc/cpp/protobuf.hpp>. The names here are not for programs.
 */
#ifndef IPC_CPP_BLOB_HPP
#define IPC_CPP_BLOB_HPP

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>

#include <ipc/ipc.hpp>

IPC_CPP_BEGIN

namespace detail {

using blob_field = google::protobuf::Message;

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

		const place &p = at->second;

		if (p.offset > rest.size() || p.size > rest.size() - p.offset)
			return fail<std::string_view>(EBADMSG);
		return rest.substr(p.offset, p.size);
	}

private:
	struct place {
		std::uint64_t size;
		std::uint64_t offset;
	};

	bool find_all(const received &from, const google::protobuf::Message &m)
	{
		std::string_view payload = from.payload();
		std::uint64_t offset = 0;
		const void *data;
		std::size_t size;

		if (c::ipc_payload_blobs(payload.data(), payload.size(), &data, &size) < 0)
			return false;
		rest = { static_cast<const char *>(data), size };

		auto look = [&](const blob_field &blob, std::uint64_t bytes) {
			places[&blob] = { bytes, offset };
			/* Once it is behind the end it stays there. */
			if (bytes > rest.size() || offset > rest.size())
				offset = UINT64_MAX;
			else
				offset += (bytes + 7) / 8 * 8;
		};

		each_blob(m, look);
		return true;
	}

	std::map<const blob_field *, place> places;
	std::string_view rest;
	bool is_known = false;
};

} // namespace detail

IPC_CPP_END

#endif /* IPC_CPP_BLOB_HPP */
