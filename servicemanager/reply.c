// SPDX-License-Identifier: MIT
/*
 * Replies that several handlers send: see manager.h.
 */
#include <errno.h>
#include <string.h>

#include "manager.h"

int reply_failure(struct ipc_call *call, int r, const char *what)
{
	if (r != -EDQUOT)
		return r;

	return ipc_call_fail(call, EDQUOT, NULL, "too many %s, of your user or of all users", what);
}

int reply_unknown(struct ipc_call *call)
{
	return ipc_call_fail(call, ENOENT, NULL, NO_OWNER);
}

int reply_denied(struct ipc_call *call, const struct policy_decision *decision, const char *name)
{
	if (!decision->rule)
		return ipc_call_fail(call, EACCES, NULL,
				     "the policy refuses uid %u access to %s: no rule matches",
				     ipc_call_uid(call), name);

	return ipc_call_fail(call, EACCES, NULL, "the policy refuses uid %u access to %s: %s:%u",
			     ipc_call_uid(call), name, decision->rule->file, decision->rule->line);
}

bool has_interface(const struct registry_entry *entry, const char *interface)
{
	return !*interface || !*entry->interface || !strcmp(interface, entry->interface);
}

int reply_other_interface(struct ipc_call *call, const struct registry_entry *entry,
			  const char *wanted)
{
	return ipc_call_fail(call, EPROTOTYPE, NULL, "%s has the interface %s, not %s", entry->name,
			     entry->interface, wanted);
}

int reply_object(struct ipc_call *call, const struct owner *owner, const char *interface, bool get)
{
	Ipc__Manager__GetReply reply = IPC__MANAGER__GET_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;

	if (!has_interface(&owner->entry, interface))
		return reply_other_interface(call, &owner->entry, interface);

	object.id = ipc_proxy_id(owner->proxy);
	reply.object = &object;
	return get ? service_manager_reply_get(call, &reply) :
		     service_manager_reply_wait(call, &reply);
}

void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry)
{
	ipc__manager__entry__init(message);
	message->name = (char *)entry->name;
	message->interface = (char *)entry->interface;
	message->pid = (uint32_t)entry->pid;
	message->uid = entry->uid;
}
