package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/firewall/lists"
	"gatehouse/store"
	"gatehouse/web"
)

// CountryFile says which file of countries is in use.
func (g *gateway) CountryFile() web.CountryFile { return web.CountryFile(g.lists.CountryFile()) }

// GiveCountryFile replaces the file of countries. An error of the file itself is
// one of its field.
func (g *gateway) GiveCountryFile(ctx context.Context, from io.Reader) error {
	err := g.lists.GiveCountryFile(ctx, from)
	var wrong lists.Fault
	if errors.As(err, &wrong) {
		return store.ValidationError{{Field: "file", Code: "format", Message: wrong.Error()}}
	}
	if err == nil {
		g.seen.change()
		err = g.db.Record(ctx, "country file", "A country file was given: "+g.lists.CountryFile().Kind+".")
	}
	return err
}

func (g *gateway) controlCountryFile(w http.ResponseWriter, r *http.Request) {
	answer(w, g.GiveCountryFile(context.WithoutCancel(r.Context()), r.Body))
}

func countryFileCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "country-file FILE",
		Short: "Give the gateway a MaxMind DB file that says which networks are in which country",
		Long: `Give the gateway a MaxMind DB file (.mmdb) that says which networks are in which
country, such as GeoLite2 Country or DB-IP Country Lite. It is checked whole
before it replaces the one before. Lists of countries follow at once; no apply
is needed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = send(cmd.Context(), *dir, http.MethodPost, "/firewall/country-file", io.NopCloser(f), 5*time.Minute)
			if !errors.Is(err, errNotRunning) {
				return err
			}
			log, err := newLogger("error")
			if err != nil {
				return err
			}
			return lists.New(lists.Options{Dir: filepath.Join(*dir, listsDir), Log: log}).GiveCountryFile(cmd.Context(), f)
		},
	}
}
