// SPDX-License-Identifier: MIT
/*
 * A client of demo.stock: see shop.h.
 */
#include "shop.h"

#include <errno.h>
#include <string.h>

#include "shop.ipc.h"

static const char *explain(int result, const struct ipc_error *error)
{
	if (result == -EREMOTEIO && error->name && strcmp(error->name, "shop.Unknown") == 0)
		return "we do not sell that";
	if (result == -ETIMEDOUT)
		return "please ask again later";
	return "the shop is closed";
}

const char *shop_say(struct ipc *ipc, const char *article)
{
	struct ipc_options options = { .timeout_usec = 2000000 };
	ipc_auto(shop_stock_unref) struct shop_stock *stock = NULL;
	ipc_auto(shop_stock_count_reply_free) Shop__CountReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Shop__CountRequest request = SHOP__COUNT_REQUEST__INIT;
	int r;

	r = shop_stock_get(ipc, "demo.stock", &stock);
	if (r < 0)
		return explain(r, &error);
	request.article = (char *)article;
	r = shop_stock_count_with(stock, &options, &request, &reply, &error);
	if (r < 0)
		return explain(r, &error);
	return reply->pieces ? "in stock" : "sold out";
}
