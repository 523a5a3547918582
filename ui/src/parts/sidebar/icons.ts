// Which icon a file has, by what it is and how its name ends.
import Braces from '@lucide/svelte/icons/braces';
import File from '@lucide/svelte/icons/file';
import FileCode from '@lucide/svelte/icons/file-code';
import FileImage from '@lucide/svelte/icons/file-image';
import FileSymlink from '@lucide/svelte/icons/file-symlink';
import FileText from '@lucide/svelte/icons/file-text';
import Folder from '@lucide/svelte/icons/folder';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import type { FileEntry } from '../../lib/wire';

const CODE =
  /\.(c|cc|cpp|cs|css|go|h|hpp|htm|html|java|js|jsx|kt|mjs|cjs|php|py|rb|rs|scss|sh|sql|svelte|swift|ts|tsx|vue)$/i;
const DATA = /\.(json|jsonc|lock|toml|yaml|yml|xml)$/i;
const IMAGE = /\.(avif|gif|ico|jpe?g|png|svg|webp)$/i;
const TEXT = /\.(md|txt|rst|csv|log)$/i;

export function iconOf(entry: FileEntry, open: boolean): typeof File {
  if (entry.kind === 'directory') return open ? FolderOpen : Folder;
  if (entry.kind === 'symlink') return FileSymlink;
  if (CODE.test(entry.name)) return FileCode;
  if (DATA.test(entry.name)) return Braces;
  if (IMAGE.test(entry.name)) return FileImage;
  return TEXT.test(entry.name) ? FileText : File;
}
