package templates

import "embed"

// adminFiles holds the desk's templates, adminPages lists them.
var adminFiles embed.FS

var adminPages []pageFile
