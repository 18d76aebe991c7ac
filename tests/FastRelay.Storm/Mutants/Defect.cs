namespace FastRelay.Storm;

/// <summary>
/// A defect that the storm must notice. One that a disk can play needs nothing else; any other is text put in place of other
/// text in a copy of the product's source, under a switch that only the copy has.
/// </summary>
/// <param name="Name">Its name; the switch's too.</param>
/// <param name="Expect">A regular expression: how it shows. Another failure does not count.</param>
/// <param name="Disk">The disk that plays it; null for one in the source.</param>
/// <param name="Changes">File, text that must stand in it once, and what stands there instead.</param>
internal sealed record Defect(string Name, string Expect, Func<DiskProfile, DiskProfile>? Disk, IReadOnlyList<DefectChange> Changes)
{
    /// <summary>All of them: those of the disk, and one for each file of <c>Mutants/Defects</c>.</summary>
    public static IReadOnlyList<Defect> All(string root) =>
    [
        new("answers-before-the-sync", "^3: |^1: ", static disk => disk with { LieAboutSync = true }, []),
        new("directory-not-synced", "^3: |^1: ", static disk => disk with { LieAboutDirectorySync = true }, []),
        new("sync-error-not-looked-at", "^3: |^1: ", static disk => disk with { SyncErrorOneIn = 20, HideSyncErrors = true }, []),
        .. Directory.GetFiles(Path.Combine(root, "tests/FastRelay.Storm/Mutants/Defects")).Order(StringComparer.Ordinal).Select(Read),
    ];

    private static Defect Read(string path)
    {
        string expect = "";
        string file = "";
        var changes = new List<DefectChange>();
        string[] lines = File.ReadAllLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].StartsWith("expect: ", StringComparison.Ordinal))
            {
                expect = lines[i]["expect: ".Length..];
            }
            else if (lines[i].StartsWith("file: ", StringComparison.Ordinal))
            {
                file = lines[i]["file: ".Length..];
            }
            else if (lines[i] == "---")
            {
                int middle = Array.IndexOf(lines, "+++", i);
                int end = Array.FindIndex(lines, middle, static line => line is "---" || line.StartsWith("file: ", StringComparison.Ordinal));
                end = end < 0 ? lines.Length : end;
                changes.Add(new DefectChange(file, string.Join('\n', lines[(i + 1)..middle]), string.Join('\n', lines[(middle + 1)..end])));
                i = end - 1;
            }
        }
        return new Defect(Path.GetFileNameWithoutExtension(path), expect, null, changes);
    }
}

/// <summary>One place of a <see cref="Defect"/> in the source.</summary>
internal sealed record DefectChange(string File, string Old, string New);
