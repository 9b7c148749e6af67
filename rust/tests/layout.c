// SPDX-License-Identifier: MIT
/*
 * Prints sizes, alignments, offsets and constants of the headers that ipcbus-sys declares.
 * layout.rs prints the same for ipcbus-sys, and test-rust compares the output.
 */
#include <ipc/memory.h>
#include <ipc/raw.h>
#include <ipc/test.h>
#include <inttypes.h>
#include <stdio.h>

#define STRUCTURE(name) printf(#name " %zu %zu\n", sizeof(struct name), _Alignof(struct name))
#define FIELD(name, field)                                                  \
	printf(#name "." #field " %zu %zu\n", offsetof(struct name, field), \
	       sizeof(((struct name *)0)->field))
#define CONSTANT(name) printf(#name " %" PRIu64 "\n", (uint64_t)(name))

static void structures(void)
{
	STRUCTURE(ipc_options);
	FIELD(ipc_options, timeout_usec);
	FIELD(ipc_options, cancellation);
	FIELD(ipc_options, parent);
	FIELD(ipc_options, parent_stream);
	FIELD(ipc_options, metadata);
	FIELD(ipc_options, flags);
	FIELD(ipc_options, window);
	FIELD(ipc_options, reserved);
	STRUCTURE(ipc_error);
	FIELD(ipc_error, size);
	FIELD(ipc_error, code);
	FIELD(ipc_error, number);
	FIELD(ipc_error, name);
	FIELD(ipc_error, text);
	FIELD(ipc_error, details);
	FIELD(ipc_error, details_size);
	FIELD(ipc_error, origin);
	FIELD(ipc_error, cause);
	STRUCTURE(ipc_object_info);
	FIELD(ipc_object_info, size);
	FIELD(ipc_object_info, refs);
	FIELD(ipc_object_info, pending);
	FIELD(ipc_object_info, oneways);
	FIELD(ipc_object_info, watches);
	STRUCTURE(ipc_test_options);
	FIELD(ipc_test_options, size);
	FIELD(ipc_test_options, flags);
	FIELD(ipc_test_options, ipcbusd);
	FIELD(ipc_test_options, servicemanager);
	FIELD(ipc_test_options, parameters);
	FIELD(ipc_test_options, manager_arguments);
	STRUCTURE(ipc_object_limits);
	FIELD(ipc_object_limits, size);
	FIELD(ipc_object_limits, message_size);
	FIELD(ipc_object_limits, streams);
	FIELD(ipc_object_limits, calls);
	FIELD(ipc_object_limits, waiting_bytes);
	FIELD(ipc_object_limits, window);
	STRUCTURE(ipc_name_info);
	FIELD(ipc_name_info, size);
	FIELD(ipc_name_info, name);
	FIELD(ipc_name_info, interface);
	FIELD(ipc_name_info, pid);
	FIELD(ipc_name_info, uid);
	STRUCTURE(ipc_raw_entry);
	FIELD(ipc_raw_entry, tag);
	FIELD(ipc_raw_entry, type);
	printf("ipc_raw_entry.object %zu\n", offsetof(struct ipc_raw_entry, object));
	STRUCTURE(ipc_raw_message);
	FIELD(ipc_raw_message, method);
	FIELD(ipc_raw_message, flags);
	FIELD(ipc_raw_message, data);
	FIELD(ipc_raw_message, size);
	FIELD(ipc_raw_message, parts);
	FIELD(ipc_raw_message, n_parts);
	FIELD(ipc_raw_message, entries);
	FIELD(ipc_raw_message, n_entries);
	STRUCTURE(ipc_raw_ops);
	FIELD(ipc_raw_ops, interface);
	FIELD(ipc_raw_ops, flags);
	FIELD(ipc_raw_ops, reserved);
	FIELD(ipc_raw_ops, serve);
	FIELD(ipc_raw_ops, stream);
	FIELD(ipc_raw_ops, destroy);
	FIELD(ipc_raw_ops, has_request);
	FIELD(ipc_raw_ops, stream_request);
	STRUCTURE(ipc_stream_ops);
	FIELD(ipc_stream_ops, size);
	FIELD(ipc_stream_ops, on_message);
	FIELD(ipc_stream_ops, on_writable);
	FIELD(ipc_stream_ops, on_end);
	FIELD(ipc_stream_ops, destroy);
}

static void constants(void)
{
	CONSTANT(IPC_NEVER);
	CONSTANT(IPC_INHERIT);
	CONSTANT(IPC_REGION_DEFAULT);
	CONSTANT(IPC_PRINTABLE_MAX);
	CONSTANT(IPC_ERROR_TEXT_MAX);
	CONSTANT(IPC_REPLACE);
	CONSTANT(IPC_DETACHED);
	CONSTANT(IPC_OBJECT_LABEL);
	CONSTANT(IPC_MESSAGE_MAX);
	CONSTANT(IPC_MEMORY_WRITE);
	CONSTANT(IPC_ORIGIN_HERE);
	CONSTANT(IPC_ORIGIN_BUS);
	CONSTANT(IPC_ORIGIN_PEER);
	CONSTANT(IPC_ORIGIN_BEHIND);
	CONSTANT(IPC_NAME_PRESENT);
	CONSTANT(IPC_NAME_GONE);
	CONSTANT(IPC_NAME_SETTLED);
	CONSTANT(IPC_BUS_DOWN);
	CONSTANT(IPC_BUS_UP);
	CONSTANT(IPC_RAW_ENTRIES_MAX);
	CONSTANT(IPC_RAW_PARTS_MAX);
	CONSTANT(IPC_RAW_OBJECT);
	CONSTANT(IPC_RAW_PROXY);
	CONSTANT(IPC_RAW_FD);
	CONSTANT(IPC_RAW_ACCEPT_FDS);
	CONSTANT(IPC_NUMBER_BUILTIN);
	CONSTANT(IPC_NUMBER_DERIVED);
	CONSTANT(IPC_NUMBER_PING);
	CONSTANT(IPC_NUMBER_DESCRIBE);
	CONSTANT(IPC_NUMBER_DUMP);
	CONSTANT(IPC_NUMBER_STREAM);
	CONSTANT(IPC_TEST_NO_MANAGER);
	CONSTANT(IPC_TEST_MANUAL_CLOCK);
}

int main(void)
{
	structures();
	constants();
	return 0;
}
