# SPDX-License-Identifier: MIT
"""Health in Python: `health.py server|client NAME`."""

import ipcbus
from health_ipc import Health, HealthService
from health_pb2 import HealthCheckResponse as Response
from service import LONG, check, fails, service_main


class Checker(HealthService):
    async def Check(self, request, context):
        if request.service not in ("", "db"):
            raise ipcbus.ServiceError("unknown service", name="grpc.NotFound")
        return Response(status=Response.NOT_SERVING if request.service else Response.SERVING)

    async def Watch(self, request, context):
        for i in range(4):
            yield {"status": Response.NOT_SERVING if i % 2 else Response.SERVING}


async def serve(bus, name):
    await bus.register(name, Checker())


async def call(bus, name):
    health = await bus.wait(Health, name, timeout=LONG)
    check((await health.Check()).status == Response.SERVING)
    check((await health.Check(service="db")).status == Response.NOT_SERVING)
    await fails("grpc.NotFound", health.Check(service="nothing"))
    async with health.Watch() as states:
        check([s.status async for s in states] == [Response.SERVING, Response.NOT_SERVING] * 2)


service_main(serve, call)
