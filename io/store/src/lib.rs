//! Files, partial downloads, hash trees and metadata on disk.
