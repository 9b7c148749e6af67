// SPDX-License-Identifier: GPL-2.0-only
/*
 * Labels: see label.h. Called by request.c.
 */
#include <linux/string.h>

#include "label.h"

int ipcbus_label_take(struct ipcbus_label *label)
{
	int ret;

	label->text = NULL;
	label->size = 0;
	ret = ipcbus_secctx_take(&label->context);
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret)
		return ret;
	label->text = ipcbus_secctx_text(&label->context);
	/* Some modules count the end of the string, others do not. */
	label->size = strnlen(label->text, ipcbus_secctx_size(&label->context));
	return 0;
}

void ipcbus_label_drop(struct ipcbus_label *label)
{
	if (label->text)
		ipcbus_secctx_drop(&label->context);
}
