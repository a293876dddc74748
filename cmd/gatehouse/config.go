package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/store"
	"gatehouse/web"
)

func configCommand(dir *string) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "The configuration as one JSON document"}
	c.AddCommand(
		exportCommand(dir),
		importCommand(dir),
		&cobra.Command{
			Use:   "check FILE",
			Short: "Say what is wrong with a document, touching nothing (- reads standard input)",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				doc, err := readDocument(cmd, args[0], "")
				if err != nil {
					return err
				}
				if err := checkDocument(doc, cmd.ErrOrStderr()); err != nil {
					return err
				}
				for _, note := range idleRules(doc, perimeter(doc, world{}, 0)) {
					fmt.Fprintln(cmd.ErrOrStderr(), note)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The document is valid.")
				return nil
			},
		},
		&cobra.Command{
			Use:   "schema",
			Short: "Print the JSON Schema of the document",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(store.Schema())
				return err
			},
		},
	)
	return c
}

func exportCommand(dir *string) *cobra.Command {
	var withSecrets bool
	var file string
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the draft, without secrets or encrypted with them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if withSecrets {
				return exportSecrets(cmd, *dir, file)
			}
			return exportConfig(cmd, *dir)
		},
	}
	c.Flags().BoolVar(&withSecrets, "with-secrets", false, "with all keys, encrypted to a passphrase (age)")
	passphraseFlag(c, &file)
	return c
}

func importCommand(dir *string) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Replace the draft by a document, whole or not at all (- reads standard input)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := readDocument(cmd, args[0], file)
			if err != nil {
				return err
			}
			return importConfig(cmd, *dir, doc)
		},
	}
	passphraseFlag(c, &file)
	return c
}

// exportSecrets prints the draft with its keys, encrypted.
func exportSecrets(cmd *cobra.Command, dir, file string) error {
	return withStore(cmd.Context(), dir, func(db *store.DB) error {
		doc, err := db.Draft(cmd.Context())
		if err != nil {
			return err
		}
		text, err := doc.Marshal()
		if err != nil {
			return err
		}
		passphrase, err := askPassphrase(cmd, file, true)
		if err != nil {
			return err
		}
		out, err := store.Encrypt(cmd.OutOrStdout(), passphrase)
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return errors.Join(err, out.Close())
	})
}

func exportConfig(cmd *cobra.Command, dir string) error {
	db, err := store.Open(cmd.Context(), dir)
	if err != nil {
		return err
	}
	defer db.Close()
	doc, err := db.Draft(cmd.Context())
	if err != nil {
		return err
	}
	text, err := doc.WithoutSecrets().Marshal()
	if err != nil {
		return err
	}
	if doc.HasSecrets() {
		fmt.Fprintln(cmd.ErrOrStderr(), "Keys are left out. An import keeps those of the objects it finds by name.")
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func importConfig(cmd *cobra.Command, dir string, doc store.Document) error {
	db, err := store.Open(cmd.Context(), dir)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Import(cmd.Context(), doc); err != nil {
		return err
	}
	changes, err := db.Changes(cmd.Context())
	if err != nil {
		return err
	}
	for _, c := range changes {
		fmt.Fprintln(cmd.OutOrStdout(), c)
	}
	if len(changes) > 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "Not applied yet: run gatehouse apply.")
	}
	return nil
}

// checkDocument validates a document as an import would. An export has no
// keys, and an import keeps those that the gateway has; which it has is not
// known here.
func checkDocument(doc store.Document, notes io.Writer) error {
	missing, err := doc.ValidateWithoutSecrets()
	for _, field := range missing {
		fmt.Fprintf(notes, "%s: not here; an import must find one stored under this name\n", field)
	}
	return err
}

// readDocument reads a document, or one that export --with-secrets encrypted.
func readDocument(cmd *cobra.Command, name, passphraseFile string) (store.Document, error) {
	var in io.Reader = cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return store.Document{}, err
		}
		defer f.Close()
		in = f
	}
	const encrypted = "age-encryption.org/"
	buffered := bufio.NewReader(in)
	if head, _ := buffered.Peek(len(encrypted)); string(head) != encrypted {
		return store.ParseDocument(buffered)
	}
	passphrase, err := askPassphrase(cmd, passphraseFile, false)
	if err != nil {
		return store.Document{}, err
	}
	plain, err := store.Decrypt(buffered, passphrase)
	if err != nil {
		return store.Document{}, err
	}
	return store.ParseDocument(plain)
}

func applyCommand(dir *string) *cobra.Command {
	var window time.Duration
	var now bool
	var message string
	c := &cobra.Command{
		Use:   "apply",
		Short: "Bring the draft into force, on trial until it is confirmed",
		Long: `Bring the draft into force. It is on trial: unless gatehouse confirm is run
within the window, everything goes back to what was in force before. So make
sure first that you still reach this gateway with a new connection.

If no gateway runs here, the draft will be in force at its next start.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if now {
				window = 0
			}
			q := url.Values{"window": {window.String()}, "message": {message}}
			_, err := ask(cmd.Context(), *dir, http.MethodPost, "/apply?"+q.Encode())
			switch {
			case errors.Is(err, errNotRunning):
				return applyAtNextStart(cmd, *dir, message)
			case err != nil:
				return err
			case window == 0:
				fmt.Fprintln(cmd.OutOrStdout(), "Applied.")
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "On trial for %v. Keep it with: gatehouse confirm\n", window)
			}
			return nil
		},
	}
	c.Flags().DurationVar(&window, "window", web.DefaultWindow, "how long it is on trial, 10s to 10m")
	c.Flags().BoolVar(&now, "now", false, "confirm at once, for scripts and at the console")
	c.Flags().StringVarP(&message, "message", "m", "", "why, for the history")
	return c
}

func confirmCommand(dir *string) *cobra.Command {
	return postCommand(dir, "confirm", "Keep what is on trial", "/confirm")
}

func takeBackCommand(dir *string) *cobra.Command {
	return postCommand(dir, "take-back", "End the trial now: bring back what was in force before", "/take-back")
}

// postCommand asks the running gateway for something that needs no words.
func postCommand(dir *string, use, short, path string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := ask(cmd.Context(), *dir, http.MethodPost, path)
			return err
		},
	}
}

// applyAtNextStart confirms the draft for the next `gatehouse run`, after the
// same compilation that the running gateway would do.
func applyAtNextStart(cmd *cobra.Command, dir, message string) error {
	ctx := cmd.Context()
	db, err := store.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer db.Close()
	doc, err := db.Draft(ctx)
	if err != nil {
		return err
	}
	keys := &keyring{}
	if keys.authorities, keys.certificates, err = db.Credentials(ctx); err != nil {
		return err
	}
	if _, err := compile(doc, world{keyring: keys}, 0); err != nil {
		return err
	}
	rev, err := db.Commit(ctx, commandLine, message)
	if err != nil {
		return err
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "No gatehouse is running here. The configuration will be in force at its next start.")
	return nil
}

func reconnectCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "reconnect BRANCH",
		Short: "Close a branch's tunnel and start it again",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(cmd.Context(), *dir, http.MethodPost, "/reconnect/"+url.PathEscape(args[0]))
			return err
		},
	}
}
