/* SPDX-License-Identifier: MIT */
/*
 * Replies that several handlers send. Each function ends the call and returns what
 * ipc_call_errno() or the generated reply function returns.
 */
#ifndef SERVICEMANAGER_REPLY_H
#define SERVICEMANAGER_REPLY_H

#include "policy.h"
#include "servicemanager.ipc.h"
#include "private.h"

#define NOBODY_HAS_IT "nobody has that name"
#define BAD_NAME \
	"a name is 1 to 127 letters, digits and any of _ . / -, and each of its parts begins with " \
	"a letter, a digit or _"
#define BAD_INTERFACE "an interface is up to 255 letters, digits and any of _ ."

/* For -EDQUOT: there are too many of what. Any other error is returned, and the call is
 * left open. */
int reply_failure(struct ipc_call *call, int r, const char *what);
int reply_unknown(struct ipc_call *call);
int reply_denied(struct ipc_call *call, const struct policy_decision *decision, const char *name);
/* The service of the name cannot be started; problem says why. */
int reply_unreachable(struct ipc_call *call, const char *name, const char *problem);

/* Is the object of the interface, which may be empty for any? */
bool has_interface(const struct registry_entry *entry, const char *interface);
int reply_other_interface(struct ipc_call *call, const struct registry_entry *entry,
			  const char *wanted);

/* The object of the name, as the reply of Get() or of Wait(); or that it is of another
 * interface. */
int reply_object(struct ipc_call *call, const struct owner *owner, const struct ipc_proxy *object,
		 const char *interface, bool get);

/* The entry as a message, which borrows the entry's strings. */
void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry);

#endif /* SERVICEMANAGER_REPLY_H */
