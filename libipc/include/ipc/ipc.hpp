/* SPDX-License-Identifier: MIT */
/*
 * libipc for C++17: calls between processes through ipcbus. Header only; link with libipc.
 *
 *	#include <ipc/ipc.hpp>
 *
 *	auto bus = ipc::connection::open();
 *	auto notes = bus.get("demo.notes");
 *	ipc::reply r = notes.call(ipc::message(GET, "shopping"));
 *	std::cout << r.bytes();
 *
 *	auto o = ipc::object::create(bus, { "notes.Notes" }, [](ipc::call c) {
 *		std::move(c).reply(find(c.request().bytes()));
 *	});
 *	bus.register_name("demo.notes", o);
 *	bus.run();
 *
 * This API wraps <ipc/ipc.h>, <ipc/name.h> and <ipc/raw.h>. Their rules apply: which functions
 * block, the meaning of each errno, when callbacks run. This page has only the differences.
 *
 *   Namespaces  ipc has this API, ipc::c the C functions. A source that includes this header must
 *               not include the C headers. Each class has c_ptr() for use with ipc::c.
 *   Errors      A function that fails throws ipc::error. If IPC_RESULTS is defined as 1 before
 *               this header is included, or the compiler has exceptions turned off, it returns
 *               ipc::result<T> instead. outcome<T> in the declarations stands for both. Errnos are
 *               positive. If memory runs out in this header, it throws std::bad_alloc, or ends the
 *               program if there are no exceptions.
 *   Ownership   connection, proxy, object and cancellation are counted references: a copy is
 *               the same thing. call, reply, slot, fd and message can only be moved.
 *   Callbacks   They are function objects, which the library owns. The captures of a callback are
 *               destroyed when it has ended.
 *   Exceptions  An exception that leaves a handler becomes the error of its call or stream. An
 *               exception that leaves another callback is logged (ipc::set_log()) with the name of
 *               the callback, and serving goes on. If an exception of a handler is no ipc::error,
 *               it is logged too, with the method and the caller.
 *   Threads     As in C: any thread may use an object of which it has a copy; only one thread at a
 *               time may use a call, message, reply, slot or fd.
 *
 *   <ipc/cpp/error.hpp>       error, result, outcome
 *   <ipc/cpp/basic.hpp>       fd, slot, cancellation, options, durations
 *   <ipc/cpp/memory.hpp>      shared memory
 *   <ipc/cpp/message.hpp>     message, reply, request
 *   <ipc/cpp/stream.hpp>      streams of bytes
 *   <ipc/cpp/call.hpp>        serving: call, service, object
 *   <ipc/cpp/connection.hpp>  connection, proxy
 *   <ipc/cpp/coroutine.hpp>   co_await, with C++20
 *   <ipc/cpp/c.hpp>           the C functions
 *
 * All of them are included here. <ipc/cpp/protobuf.hpp> is for the files that
 * protoc --ipc_out=lang=cpp writes: classes of interfaces, with the messages of protobuf.
 */
#ifndef IPC_IPC_HPP
#define IPC_IPC_HPP

#include <ipc/cpp/connection.hpp>
#include <ipc/cpp/coroutine.hpp>
#include <ipc/cpp/memory.hpp>

#endif /* IPC_IPC_HPP */
