// SPDX-License-Identifier: MIT
#include "health.ipc.hpp"
#include "service.hpp"

using namespace grpc::health::v1;
using Response = HealthCheckResponse;

class Checker : public Health::Service {
      public:
	Response Check(const HealthCheckRequest &request, const ipc::call &) override
	{
		Response reply;

		if (!request.service().empty() && request.service() != "db")
			throw ipc::error("grpc.NotFound", "unknown service");
		reply.set_status(request.service().empty() ? Response::SERVING :
							     Response::NOT_SERVING);
		return reply;
	}

	void Watch(const HealthCheckRequest &,
		   ipc::stream_of<Response, ipc::no_message> out) override
	{
		Response message;

		for (int i = 0; i < 4; i++) {
			message.set_status(i % 2 ? Response::NOT_SERVING : Response::SERVING);
			out.send(message);
		}
	}
};

static void serve(ipc::connection &bus, const std::string &name)
{
	bus.register_name(name, std::make_shared<Checker>());
}

static void call(ipc::connection &bus, const std::string &name)
{
	auto health = bus.wait<Health>(name, LONG);
	HealthCheckRequest request;

	CHECK(health.Check(request).status() == Response::SERVING);
	request.set_service("db");
	CHECK(health.Check(request).status() == Response::NOT_SERVING);
	request.set_service("nothing");
	fails("grpc.NotFound", [&] { health.Check(request); });
	auto states = health.Watch(request);
	for (int i = 0; i < 4; i++)
		CHECK(states.receive(LONG)->status() ==
		      (i % 2 ? Response::NOT_SERVING : Response::SERVING));
	CHECK(!states.receive(LONG));
}

int main(int argc, char **argv)
{
	return service_main(argc, argv, serve, call);
}
