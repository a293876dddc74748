package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstInherited is the first descriptor of systemd's socket activation
// (sd_listen_fds(3)).
const firstInherited = 3

// pageListener is the page's listening socket: the inherited one if there is
// one (LISTEN_FDS), else a new one at addr. An unset LISTEN_PID is accepted,
// because a parent that starts us in another PID namespace cannot know it.
func pageListener(addr string) (net.Listener, error) {
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	pid := os.Getenv("LISTEN_PID")
	os.Unsetenv("LISTEN_FDS")
	os.Unsetenv("LISTEN_PID")
	if n >= 1 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		f := os.NewFile(firstInherited, "page")
		defer f.Close()
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("the inherited descriptor %d is no listening socket: %w", firstInherited, err)
		}
		return l, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the page: %w", err)
	}
	return l, nil
}
