// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "google/protobuf/timestamp.pb-c.h"
#include "shop.ipc.h"

int main(void)
{
	Google__Protobuf__Timestamp bought = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Shop__Item item = SHOP__ITEM__INIT;

	item.bought = &bought;
	puts(item.base.descriptor->name);
	return shop_delete == NULL || item.name != NULL;
}
