package newsletter

import (
	"fmt"
	"strings"
)

// CoverPath is where the site has an article's picture cut to 1.91:1, so many pixels wide; cover is the picture's own address, /media/NAME.
func CoverPath(cover string, width int) string {
	name, ours := strings.CutPrefix(cover, "/media/")
	if !ours {
		return ""
	}
	return fmt.Sprintf("/covers/%d/%s", width, name)
}
