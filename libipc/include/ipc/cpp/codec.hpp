/* SPDX-License-Identifier: MIT */
/*
 * Packing and unpacking of small messages in generated code, of <ipc/cpp/protobuf.hpp>. Programs
 * must not use it. <ipc/codec.h> is the equivalent for C and protobuf-c.
 *
 * A message of single numbers, strings and bytes has a codec, which uses only the public interface
 * of protobuf's classes. It reads and writes the fields in the order of their numbers, as every
 * implementation of protobuf writes them. The received bytes are not trusted. If they have an
 * unexpected form, the codec fails, and protobuf parses the message and reports errors.
 */
#ifndef IPC_CPP_CODEC_HPP
#define IPC_CPP_CODEC_HPP

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include <ipc/cpp/error.hpp>

IPC_CPP_BEGIN

namespace typed {

/* Maximum bytes of a message that a codec packs or unpacks. */
inline constexpr std::size_t small = 1024;

/* Maximum bytes of a field besides the contents of strings and bytes. */
inline constexpr std::size_t field_max = 16;

inline std::uint32_t little(std::uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

inline std::uint64_t little(std::uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

inline std::uint64_t zigzag(std::int32_t value)
{
	return static_cast<std::uint32_t>(value) << 1 ^ static_cast<std::uint32_t>(value >> 31);
}

inline std::uint64_t zigzag(std::int64_t value)
{
	return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

inline std::int32_t unzigzag32(std::uint64_t value)
{
	std::uint32_t low = static_cast<std::uint32_t>(value);

	return static_cast<std::int32_t>(low >> 1 ^ (0 - (low & 1)));
}

inline std::int64_t unzigzag64(std::uint64_t value)
{
	return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
}

/* Whether all bytes are ASCII characters, none of them NUL. */
inline bool is_ascii(std::string_view text) noexcept
{
	std::uint64_t word, found = 0;
	std::size_t i;

	/* A byte of 0 borrows from its highest bit when 1 is subtracted. */
	for (i = 0; i + sizeof(word) <= text.size(); i += sizeof(word)) {
		std::memcpy(&word, text.data() + i, sizeof(word));
		found |= word | (word - UINT64_C(0x0101010101010101));
	}
	for (; i < text.size(); i++) {
		word = static_cast<unsigned char>(text[i]);
		found |= word | (word - 1);
	}
	return !(found & UINT64_C(0x8080808080808080));
}

/* The bytes of the UTF-8 character at c, or 0: there is none, or it is NUL. */
inline std::size_t character_size(const unsigned char *c, std::size_t left) noexcept
{
	auto follows = [&](std::size_t n) {
		for (std::size_t i = 1; i < n; i++)
			if (i >= left || (c[i] & 0xc0) != 0x80)
				return false;
		return true;
	};

	if (*c < 0x80)
		return *c != 0;
	if (*c < 0xe0)
		return *c >= 0xc2 && follows(2) ? 2 : 0;
	/* Rejects overlong forms, surrogates, and characters beyond U+10FFFF. */
	if (*c < 0xf0)
		return !follows(3) || (*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ?
			       0 : 3;
	return *c > 0xf4 || !follows(4) || (*c == 0xf0 && c[1] < 0x90) ||
			       (*c == 0xf4 && c[1] > 0x8f) ?
		       0 : 4;
}

/* Whether this may be sent as a string: UTF-8 without NUL bytes. */
inline bool is_text(std::string_view text) noexcept
{
	const unsigned char *c = reinterpret_cast<const unsigned char *>(text.data());

	if (is_ascii(text))
		return true;
	for (std::size_t i = 0; i < text.size();) {
		std::size_t n = character_size(c + i, text.size() - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

/* --- Packing ----------------------------------------------------------------------- */

/* The address of the next field. There is space for all fields without their contents. */
class packer {
public:
	packer(std::uint8_t *to, std::size_t size) noexcept : to(to), end(to + size) {}

	std::uint8_t *at() const noexcept { return to; }

	void varint(std::uint32_t tag, std::uint64_t value) noexcept
	{
		put(tag);
		put(value);
	}
	template <typename T> void fixed(std::uint32_t tag, T value) noexcept
	{
		put(tag);
		put_fixed(bits(value));
	}
	/* The default value, which proto3 does not send. For a float it is +0 only, not -0. */
	template <typename T> static bool is_zero(T value) noexcept { return !bits(value); }

	/* Returns false if they do not fit. fields is the number of this and of all later
	 * fields. */
	bool bytes(std::size_t fields, std::uint32_t tag, std::string_view value) noexcept
	{
		std::size_t space = static_cast<std::size_t>(end - to) - fields * field_max;

		if (__builtin_expect(value.size() > space, 0))
			return false;
		varint(tag, value.size());
		std::memcpy(to, value.data(), value.size());
		to += value.size();
		return true;
	}
	/* Text that is not ASCII is checked when the whole message is packed. */
	bool text(std::size_t fields, std::uint32_t tag, std::string_view value) noexcept
	{
		return is_ascii(value) && bytes(fields, tag, value);
	}

private:
	template <typename T> static auto bits(T value) noexcept
	{
		std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> n;

		static_assert(sizeof(n) == sizeof(value));
		std::memcpy(&n, &value, sizeof(n));
		return n;
	}
	template <typename T> void put_fixed(T value) noexcept
	{
		value = little(value);
		std::memcpy(to, &value, sizeof(value));
		to += sizeof(value);
	}
	void put(std::uint64_t value) noexcept
	{
		for (; __builtin_expect(value >= 0x80, 0); value >>= 7)
			*to++ = static_cast<std::uint8_t>(value | 0x80);
		*to++ = static_cast<std::uint8_t>(value);
	}

	std::uint8_t *to;
	const std::uint8_t *const end;
};

/* --- Unpacking --------------------------------------------------------------------- */

/* The address of the next field. Each function returns false if the field has an unexpected
 * form. */
class unpacker {
public:
	explicit unpacker(std::string_view from) noexcept
		: at(reinterpret_cast<const std::uint8_t *>(from.data())), end(at + from.size())
	{
	}

	bool at_end() const noexcept { return at == end; }

	/* The field with this tag, of up to two bytes, comes: steps over the tag. */
	bool has(std::uint32_t tag) noexcept
	{
		if (tag < 0x80) {
			if (at == end || *at != tag)
				return false;
			at++;
			return true;
		}
		if (end - at < 2 || at[0] != static_cast<std::uint8_t>(tag | 0x80) ||
		    at[1] != static_cast<std::uint8_t>(tag >> 7))
			return false;
		at += 2;
		return true;
	}

	/* Without bits above the 64th. */
	bool varint(std::uint64_t &value) noexcept
	{
		if (__builtin_expect(at < end && *at < 0x80, 1)) {
			value = *at++;
			return true;
		}
		return long_varint(value);
	}
	template <typename T> bool fixed(T &value) noexcept
	{
		std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> n;

		static_assert(sizeof(n) == sizeof(value));
		if (end - at < static_cast<std::ptrdiff_t>(sizeof(n)))
			return false;
		std::memcpy(&n, at, sizeof(n));
		at += sizeof(n);
		n = little(n);
		std::memcpy(&value, &n, sizeof(n));
		return true;
	}

	bool bytes(std::string &value)
	{
		std::size_t size;

		if (!take_size(size))
			return false;
		/* Instead of assign(): the string usually has that size from the previous
		 * message. */
		value.resize(size);
		std::memcpy(value.data(), at, size);
		at += size;
		return true;
	}
	/* Protobuf decides about text that is not ASCII. */
	bool text(std::string &value) { return bytes(value) && is_ascii(value); }

private:
	__attribute__((noinline)) bool long_varint(std::uint64_t &value) noexcept
	{
		std::uint64_t n = 0;

		for (unsigned int shift = 0; shift < 70 && at < end; shift += 7) {
			if (shift == 63 && *at > 1)
				return false;
			n |= static_cast<std::uint64_t>(*at & 0x7f) << shift;
			if (*at++ < 0x80) {
				value = n;
				return true;
			}
		}
		return false;
	}

	/* Of up to two bytes. */
	bool take_size(std::size_t &size) noexcept
	{
		if (at == end)
			return false;
		size = *at++;
		if (__builtin_expect(size >= 0x80, 0)) {
			if (at == end || *at >= 0x80)
				return false;
			size = (size & 0x7f) | static_cast<std::size_t>(*at++) << 7;
		}
		return size <= static_cast<std::size_t>(end - at);
	}

	const std::uint8_t *at;
	const std::uint8_t *end;
};

/*
 * The default codec of a message; generated code specializes it. Each function returns false if
 * protobuf must do the work. take() sets all fields, so m may be reused from an earlier take().
 */
template <typename T> struct codec {
	static constexpr bool exists = false;
	static bool put(const T &, packer &) { return false; }
	static bool take(T &, unpacker &) { return false; }
};

} // namespace typed

IPC_CPP_END

#endif /* IPC_CPP_CODEC_HPP */
