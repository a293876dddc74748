package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/store"
)

// maxInput bounds what a command reads, in bytes.
const maxInput = 32 << 20

func objectCommand(dir *string) *cobra.Command {
	c := &cobra.Command{
		Use:   "object",
		Short: "List, show, change and delete rules, lists, users and all the rest",
		Long: `List, show, change and delete one object of any kind:

  ` + strings.Join(pluralNames(), ", ") + `

Users, devices, authorities and certificates act at once. All others change the
draft, which comes into force with gatehouse apply.`,
	}
	c.AddCommand(objectListCommand(dir), objectShowCommand(dir), objectPutCommand(dir), objectDeleteCommand(dir), objectMoveCommand(dir),
		objectExportCommand(dir), objectImportCommand(dir), entriesCommand(dir))
	return c
}

func pluralNames() (out []string) {
	for _, k := range store.Kinds() {
		out = append(out, k.Plural)
	}
	return out
}

// kindCalled accepts "rules" and "rule".
func kindCalled(name string) (store.KindInfo, error) {
	for _, k := range store.Kinds() {
		if name == k.Plural || name == k.Name {
			return k, nil
		}
	}
	return store.KindInfo{}, fmt.Errorf("there are no %q; take one of %s", name, strings.Join(pluralNames(), ", "))
}

// onKind runs a command that begins with a kind.
func onKind(dir *string, work func(*cobra.Command, *store.DB, store.KindInfo, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		k, err := kindCalled(args[0])
		if err != nil {
			return err
		}
		return withStore(cmd.Context(), *dir, func(db *store.DB) error { return work(cmd, db, k, args[1:]) })
	}
}

func objectListCommand(dir *string) *cobra.Command {
	var containing string
	c := &cobra.Command{
		Use:   "list KIND",
		Short: "Print the names of all objects of a kind, with a few words on each",
		Args:  cobra.ExactArgs(1),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, _ []string) error {
			for offset := 0; ; {
				rows, total, err := db.Objects(cmd.Context(), k.Name, containing, offset, 1000)
				if err != nil {
					return err
				}
				for _, r := range rows {
					off := ""
					if r.Off {
						off = "\tswitched off"
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s%s\n", r.Name, r.Summary, off)
				}
				if offset += len(rows); offset >= total || len(rows) == 0 {
					return nil
				}
			}
		}),
	}
	c.Flags().StringVar(&containing, "containing", "", "only names that contain this")
	return c
}

func objectShowCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show KIND NAME",
		Short: "Print one object as JSON, without its secrets",
		Args:  cobra.ExactArgs(2),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, args []string) error {
			o, err := db.Object(cmd.Context(), k.Name, args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd, o.JSON)
		}),
	}
}

func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func objectPutCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "put KIND [NAME]",
		Short: "Add an object, or change the one called NAME, to what standard input says in JSON",
		Args:  cobra.RangeArgs(1, 2),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, args []string) error {
			text, err := readAll(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if len(text) == 0 {
				return errors.New("standard input is empty")
			}
			name, err := db.PutObject(cmd.Context(), k.Name, strings.Join(args, ""), "", store.Input{JSON: text})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is saved%s.\n", k.Title, name, notYet(k))
			return nil
		}),
	}
}

// notYet ends a sentence about an object of the draft.
func notYet(k store.KindInfo) string {
	if k.Drafted {
		return ", but not applied yet: run gatehouse apply"
	}
	return ""
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("the input is longer than %d bytes", maxInput)
	}
	return text, err
}

func objectDeleteCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Delete an object that no other one refers to",
		Args:  cobra.ExactArgs(2),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, args []string) error {
			if err := db.DeleteObject(cmd.Context(), k.Name, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is deleted%s.\n", k.Title, args[0], notYet(k))
			return nil
		}),
	}
}

func objectMoveCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "move KIND NAME PLACE",
		Short: "Give a rule, NAT entry or policy another place: 1 is the first",
		Args:  cobra.ExactArgs(3),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, args []string) error {
			place, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("place: %q is not a number", args[1])
			}
			if err := db.PlaceObject(cmd.Context(), k.Name, args[0], place); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is moved%s.\n", k.Title, args[0], notYet(k))
			return nil
		}),
	}
}

func objectExportCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "export KIND",
		Short: "Print all users, devices, authorities or certificates as JSON, without secrets",
		Args:  cobra.ExactArgs(1),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, _ []string) error {
			all, err := db.ExportObjects(cmd.Context(), k.Name)
			if err != nil {
				return err
			}
			return printJSON(cmd, all)
		}),
	}
}

func objectImportCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "import KIND FILE",
		Short: "Add or change many users, devices, authorities or certificates, all or none (- reads standard input)",
		Args:  cobra.ExactArgs(2),
		RunE: onKind(dir, func(cmd *cobra.Command, db *store.DB, k store.KindInfo, args []string) error {
			text, err := readInput(cmd, args[0])
			if err != nil {
				return err
			}
			var all []json.RawMessage
			if err := json.Unmarshal(text, &all); err != nil {
				return fmt.Errorf("%s must hold a JSON list of objects: %w", args[0], err)
			}
			if err := db.ImportObjects(cmd.Context(), k.Name, all); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d %s are in force.\n", len(all), k.Plural)
			return nil
		}),
	}
}

// readInput reads a file, or standard input for -.
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return readAll(cmd.InOrStdin())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// entriesCommand adds to a list or takes from it, as a script does with what
// it fetched.
func entriesCommand(dir *string) *cobra.Command {
	var remove bool
	c := &cobra.Command{
		Use:   "entries LIST FILE",
		Short: "Add the addresses in a file to a list, one a line (- reads standard input)",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				text, err := readInput(cmd, args[1])
				if err != nil {
					return err
				}
				all, err := store.ParseEntries(string(text))
				if err != nil {
					return err
				}
				add, gone := all, []store.AddressRange(nil)
				if remove {
					add, gone = nil, all
				}
				if err := db.ChangeEntries(cmd.Context(), args[0], add, gone); err != nil {
					return err
				}
				_, total, err := db.Entries(cmd.Context(), args[0], "", 0, 1)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "List %s now has %d entries. Not applied yet: run gatehouse apply.\n", args[0], total)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&remove, "remove", false, "take them from the list instead")
	return c
}
