/* SPDX-License-Identifier: MIT */
/*
 * A checksum of pixels, four bytes each. It depends on their order. Further bytes do not count.
 */
#ifndef EXAMPLES_CPP_CHECKSUM_HPP
#define EXAMPLES_CPP_CHECKSUM_HPP

#include <cstdint>
#include <cstring>
#include <string_view>

inline std::uint64_t checksum(std::string_view pixels)
{
	std::uint64_t sum = pixels.size() / 4;

	for (std::size_t i = 0; i + 4 <= pixels.size(); i += 4) {
		std::uint32_t word;

		std::memcpy(&word, &pixels[i], sizeof(word));
		sum = (sum ^ word) * 0x100000001b3;
	}
	return sum;
}

#endif /* EXAMPLES_CPP_CHECKSUM_HPP */
