// The icons of the tree, and which one a file has: by what it is and how its name ends.
import Braces from '@lucide/svelte/icons/braces';
import ChevronDown from '@lucide/svelte/icons/chevron-down';
import ChevronRight from '@lucide/svelte/icons/chevron-right';
import File from '@lucide/svelte/icons/file';
import FileCode from '@lucide/svelte/icons/file-code';
import FileImage from '@lucide/svelte/icons/file-image';
import FileSymlink from '@lucide/svelte/icons/file-symlink';
import FileText from '@lucide/svelte/icons/file-text';
import Folder from '@lucide/svelte/icons/folder';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import type { DirectoryEntry } from '../../lib/wire';

export const ICONS = {
  braces: Braces,
  closed: ChevronRight,
  opened: ChevronDown,
  file: File,
  'file-code': FileCode,
  'file-image': FileImage,
  'file-symlink': FileSymlink,
  'file-text': FileText,
  folder: Folder,
  'folder-open': FolderOpen,
};

export type IconName = keyof typeof ICONS;

const CODE =
  /\.(c|cc|cpp|cs|css|go|h|hpp|htm|html|java|js|jsx|kt|mjs|cjs|php|py|rb|rs|scss|sh|sql|svelte|swift|ts|tsx|vue)$/i;
const DATA = /\.(json|jsonc|lock|toml|yaml|yml|xml)$/i;
const IMAGE = /\.(avif|gif|ico|jpe?g|png|svg|webp)$/i;
const TEXT = /\.(md|txt|rst|csv|log)$/i;

export function iconOf(entry: DirectoryEntry, open: boolean): IconName {
  if (entry.kind === 'directory') return open ? 'folder-open' : 'folder';
  if (entry.kind === 'symlink') return 'file-symlink';
  if (CODE.test(entry.name)) return 'file-code';
  if (DATA.test(entry.name)) return 'braces';
  if (IMAGE.test(entry.name)) return 'file-image';
  return TEXT.test(entry.name) ? 'file-text' : 'file';
}
