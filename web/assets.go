package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static/*
var staticFiles embed.FS

// assets are the stylesheet, the script and the fonts. Their addresses carry a
// hash of their content, so that a browser may keep them for ever.
type assets struct {
	byName map[string]string // app.css -> app.0123abcd.css
	files  map[string][]byte // by hashed name
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]string{}, files: map[string][]byte{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, err
	}
	// Fonts first, because the stylesheet names them.
	for _, css := range []bool{false, true} {
		for _, e := range entries {
			if (path.Ext(e.Name()) == ".css") != css {
				continue
			}
			content, err := staticFiles.ReadFile("static/" + e.Name())
			if err != nil {
				return nil, err
			}
			if css {
				for name, hashed := range a.byName {
					content = bytes.ReplaceAll(content, []byte("url("+name+")"), []byte("url("+hashed+")"))
				}
			}
			sum := sha256.Sum256(content)
			ext := path.Ext(e.Name())
			hashed := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
			a.byName[e.Name()], a.files[hashed] = hashed, content
		}
	}
	return a, nil
}

// url is the address of an asset, for templates.
func (a *assets) url(name string) (string, error) {
	hashed, ok := a.byName[name]
	if !ok {
		return "", fmt.Errorf("no asset is called %s", name)
	}
	return "/static/" + hashed, nil
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	content, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
