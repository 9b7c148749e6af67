// SPDX-License-Identifier: MIT
/*
 * Registers demo.camera: a stream of frames of any size.
 */
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "checksum.hpp"
#include "frames.ipc.hpp"

class Camera : public frames::Camera::Service {
public:
	void Watch(const frames::WatchRequest &request,
		   ipc::stream_of<frames::Frame, ipc::no_message> out) override
	{
		std::uint32_t width = request.width(), height = request.height();

		if (!width || width > 8192 || !height || height > 8192)
			throw ipc::error("camera.BadSize", std::to_string(width) + " x " +
						std::to_string(height) + " is not a valid size");
		for (std::uint32_t number = 1; number <= request.count(); number++)
			out.send(picture(number, width, height));
	}

private:
	static frames::Frame picture(std::uint32_t number, std::uint32_t width, std::uint32_t height)
	{
		std::vector<std::uint32_t> pixels(std::size_t{ width } * height, number);
		std::string_view bytes(reinterpret_cast<const char *>(pixels.data()), 4 * pixels.size());
		frames::Frame frame;

		frame.set_number(number);
		frame.set_width(width);
		frame.set_height(height);
		frame.set_checksum(checksum(bytes));
		frame.set_pixels(bytes.data(), bytes.size());
		return frame;
	}
};

int main()
try {
	auto bus = ipc::connection::open();

	bus.set_threads(16);
	bus.register_name("demo.camera", std::make_shared<Camera>());
	bus.run();
	return 0;
} catch (const std::exception &e) {
	std::cerr << "demo.camera: " << e.what() << '\n';
	return 1;
}
