package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/network"
	"gatehouse/store"
)

func backupCommand(dir *string) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything into one encrypted file, also while the gateway runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), *dir, func(db *store.DB) error {
				passphrase, err := askPassphrase(cmd, file, true)
				if err != nil {
					return err
				}
				return newFile(args[0], func(w io.Writer) error { return db.Backup(cmd.Context(), w, passphrase, time.Now()) })
			})
		},
	}
	passphraseFlag(c, &file)
	return c
}

// backupDailyCommand sets the schedule; the running gateway looks at it once
// an hour.
func backupDailyCommand(dir *string) *cobra.Command {
	var file string
	var keep int
	var off bool
	c := &cobra.Command{
		Use:   "backup-daily [DIR]",
		Short: "Write a backup into DIR each day, or say where it goes",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			return withStore(ctx, *dir, func(db *store.DB) error {
				switch {
				case off && len(args) == 0:
					return db.ClearBackupSchedule(ctx)
				case off:
					return errors.New("--off takes no directory")
				case len(args) == 1:
					passphrase, err := askPassphrase(cmd, file, true)
					if err != nil {
						return err
					}
					where, err := filepath.Abs(args[0])
					if err != nil {
						return err
					}
					return db.SetBackupSchedule(ctx, store.BackupSchedule{Directory: where, Keep: keep, Passphrase: store.Secret(passphrase)})
				}
				s, err := db.BackupSchedule(ctx)
				if errors.Is(err, store.ErrNotFound) {
					fmt.Fprintln(out, "No backup is written each day.")
					return nil
				}
				if err == nil {
					fmt.Fprintf(out, "A backup is written into %s each day; the newest %d are kept.\n", s.Directory, s.Keep)
				}
				return err
			})
		},
	}
	c.Flags().IntVar(&keep, "keep", 14, "how many backups stay")
	c.Flags().BoolVar(&off, "off", false, "write none any more; those that are there stay")
	passphraseFlag(c, &file)
	return c
}

// withStore opens a database that must be there, for one piece of work.
func withStore(ctx context.Context, dir string, work func(*store.DB) error) error {
	if !store.Exists(dir) {
		return fmt.Errorf("there is no database in %s", dir)
	}
	db, err := store.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer db.Close()
	return work(db)
}

// newFile writes a file of mode 0600 that must not exist, whole or not at all.
func newFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func restoreCommand(dir *string) *cobra.Command {
	var file string
	var ports []string
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring a backup back, also on other hardware; the gateway must be stopped",
		Long: `Bring a backup back into an empty data directory. What is there already is set
aside in a directory beside it, not deleted.

On other hardware the network ports have other names. Say which is which:
--port office=enp2s0 --port internet=enp1s0. Without that, a port that is not on
this machine is an error, and nothing is restored.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := parsePorts(ports)
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			passphrase, err := askPassphrase(cmd, file, false)
			if err != nil {
				return err
			}
			return restore(cmd, f, passphrase, *dir, wanted)
		},
	}
	passphraseFlag(c, &file)
	c.Flags().StringArrayVar(&ports, "port", nil, "INTERFACE=DEVICE, which port is which on this machine")
	return c
}

// parsePorts reads office=enp2s0.
func parsePorts(flags []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range flags {
		name, device, ok := strings.Cut(f, "=")
		if !ok || name == "" || device == "" {
			return nil, fmt.Errorf("--port %q: write INTERFACE=DEVICE, such as office=enp2s0", f)
		}
		out[name] = device
	}
	return out, nil
}

// restore unpacks beside the data directory, makes the document fit this
// machine, and only then takes the directory's place.
func restore(cmd *cobra.Command, backup io.Reader, passphrase, dir string, ports map[string]string) error {
	ctx := cmd.Context()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		return err
	}
	defer unlock()
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-restore-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	created, err := store.Unpack(backup, passphrase, fresh)
	if err != nil {
		return err
	}
	if err := fitPorts(ctx, fresh, ports); err != nil {
		return err
	}
	aside, err := setAside(dir, "replaced")
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return errors.Join(err, os.Rename(aside, dir))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "The backup of %s is restored. What was here before is in %s.\n",
		created.Local().Format("2006-01-02 15:04"), aside)
	return nil
}

// setAside gives a data directory a name that says why it is not in use.
func setAside(dir, why string) (aside string, err error) {
	aside = dir + "-" + why + time.Now().UTC().Format("-20060102-150405")
	return aside, os.Rename(dir, aside)
}

// fitPorts gives the interfaces of a restored database the devices of this
// machine.
func fitPorts(ctx context.Context, dir string, ports map[string]string) error {
	db, err := store.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer db.Close()
	links, err := network.Links(ctx)
	if err != nil {
		return err
	}
	var here []string
	for _, l := range links {
		if l.Device != "lo" {
			here = append(here, l.Device)
		}
	}
	draft, err := db.Draft(ctx)
	if err != nil {
		return err
	}
	confirmed, err := db.Confirmed(ctx)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	changed := false
	for _, doc := range []*store.Document{&draft, &confirmed.Document} {
		moved, err := assignPorts(doc, ports, here)
		if err != nil {
			return err
		}
		changed = changed || moved
	}
	if !changed {
		return nil
	}
	// The confirmed revision with its new ports, then the draft as it was.
	if confirmed.ID != 0 {
		if err := db.Import(ctx, confirmed.Document); err != nil {
			return err
		}
		rev, err := db.Commit(ctx, commandLine, "restored from a backup, with the ports of this machine")
		if err != nil {
			return err
		}
		if err := db.Confirm(ctx, rev.ID); err != nil {
			return err
		}
	}
	return db.Import(ctx, draft)
}

// assignPorts puts the wanted devices into a document and complains about
// interfaces whose device is not here.
func assignPorts(doc *store.Document, ports map[string]string, here []string) (changed bool, err error) {
	var missing []string
	for i := range doc.Interfaces {
		n := &doc.Interfaces[i]
		if device := ports[n.Name]; device != "" && device != n.Device {
			n.Device, changed = device, true
		}
		if !slices.Contains(here, n.Device) {
			missing = append(missing, fmt.Sprintf("%s (%s)", n.Name, n.Device))
		}
	}
	if len(missing) > 0 {
		return false, fmt.Errorf("nothing was restored: this machine has no port for %s; it has %s. Say which is which with --port",
			strings.Join(missing, ", "), strings.Join(here, ", "))
	}
	return changed, nil
}
