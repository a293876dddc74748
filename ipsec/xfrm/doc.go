// Package xfrm is about the kernel as a data plane: an xfrm interface, SAs and
// policies by netlink. So far it only finds out whether this kernel could.
package xfrm
