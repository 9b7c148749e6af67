// SPDX-License-Identifier: MIT
/*
 * peer.c for C++: parses and serializes messages as <ipc/cpp/protobuf.hpp> does.
 */
#include <google/protobuf/stubs/common.h>
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include <google/protobuf/stubs/logging.h>
#endif

#include <cstdio>
#include <string>

#include "judge.ipc.hpp"

namespace {

bool get(void *to, std::size_t size) { return !size || std::fread(to, size, 1, stdin) == 1; }

void put(std::uint32_t size, std::string_view bytes)
{
	std::fwrite(&size, sizeof(size), 1, stdout);
	std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

template <typename T> void put(bool is_valid, const T &m)
{
	if (!is_valid) {
		put(UINT32_MAX, {});
		return;
	}
	ipc::typed_access::packed out(m);

	put(static_cast<std::uint32_t>(out.bytes().size()), out.bytes());
}

template <typename T> void pass(std::string_view in)
{
	/* As servers do: with the message of the previous call. */
	if constexpr (ipc::typed::codec<T>::exists) {
		ipc::typed::kept_request<T> m;
		bool is_valid = m.parse(in);

		put(is_valid, *m);
	} else {
		T m;
		bool is_valid = ipc::typed_access::parse(m, in);

		put(is_valid, m);
	}
}

} // namespace

int main()
{
	std::uint8_t index;
	std::uint32_t size;
	std::string in;

#if GOOGLE_PROTOBUF_VERSION < 4022000
	google::protobuf::SetLogHandler(nullptr);
#endif
	while (get(&index, 1) && get(&size, sizeof(size))) {
		in.resize(size);
		if (!get(in.data(), size))
			return 1;
		switch (index % 4) {
		case 0:
			pass<judge::Small>(in);
			break;
		case 1:
			pass<judge::Small2>(in);
			break;
		case 2:
			pass<judge::Large>(in);
			break;
		default:
			pass<judge::Large2>(in);
			break;
		}
	}
}
