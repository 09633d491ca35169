#!/bin/sh
# Stands in for node: starts it, $LANYARD_NODE, in network and mount namespaces of its own, with a
# /run of its own (where named namespaces are kept) and lo up.
exec unshare --mount --net --propagation private -- \
  sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && exec "$@"' sh "$LANYARD_NODE" "$@"
