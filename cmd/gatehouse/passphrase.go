package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// passphraseFlag adds --passphrase-file.
func passphraseFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "passphrase-file", "", "read the passphrase from the first line of this file instead of the terminal")
}

// askPassphrase reads a passphrase from a file or from the terminal, there
// twice if it is a new one. It is never an argument: those show in ps.
func askPassphrase(cmd *cobra.Command, file string, isNew bool) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("passphrase: %w", err)
		}
		line, _, _ := bytes.Cut(text, []byte("\n"))
		return string(bytes.TrimRight(line, "\r")), nil
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errors.New("passphrase: there is no terminal to ask on; use --passphrase-file")
	}
	defer terminal.Close()
	ask := func(prompt string) (string, error) {
		fmt.Fprint(terminal, prompt)
		text, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(terminal)
		return string(text), err
	}
	first, err := ask("Passphrase: ")
	if err != nil || !isNew {
		return first, err
	}
	again, err := ask("The same again: ")
	if err == nil && again != first {
		err = errors.New("passphrase: the two differ")
	}
	return first, err
}
