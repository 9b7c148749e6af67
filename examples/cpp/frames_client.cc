// SPDX-License-Identifier: MIT
/*
 * frames_client COUNT WIDTH HEIGHT: receives COUNT pictures of demo.camera and checks each pixel.
 */
#include <iostream>
#include <string>

#include "checksum.hpp"
#include "frames.ipc.hpp"

using namespace std::chrono_literals;

int main(int argc, char **argv)
try {
	frames::WatchRequest request;
	unsigned int seen = 0, damaged = 0;
	auto bus = ipc::connection::open();
	auto camera = bus.wait<frames::Camera>("demo.camera");

	request.set_count(argc > 1 ? std::stoul(argv[1]) : 10);
	request.set_width(argc > 2 ? std::stoul(argv[2]) : 640);
	request.set_height(argc > 3 ? std::stoul(argv[3]) : 480);
	auto pictures = camera.Watch(request);
	while (auto received = pictures.receive(10s)) {
		const frames::Frame &frame = *received;
		const std::string &pixels = frame.pixels();

		seen++;
		if (pixels.size() != 4ULL * request.width() * request.height() ||
		    frame.number() != seen || frame.checksum() != checksum(pixels))
			damaged++;
	}
	std::cout << seen << " frames of " << request.width() << " x " << request.height() << ", "
		  << damaged << " damaged\n";
	return damaged ? 1 : 0;
} catch (const std::exception &e) {
	std::cerr << "frames: " << e.what() << '\n';
	return 1;
}
