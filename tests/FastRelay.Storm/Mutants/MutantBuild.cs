using System.Diagnostics;

namespace FastRelay.Storm;

/// <summary>One build of a copy of the source with every defect in it, each behind its switch. The product's source knows nothing of it.</summary>
internal static class MutantBuild
{
    private const string Switch = """
        namespace FastRelay;

        /// <summary>Which defect is on, on this thread.</summary>
        public static class Mutant
        {
            [global::System.ThreadStatic]
            private static string? s_current;

            /// <summary>Turns one on; null turns it off.</summary>
            public static void Set(string? name) => s_current = name;

            /// <summary>Is it on?</summary>
            public static bool On(string name) => s_current == name;
        }
        """;

    /// <summary>Where the solution is.</summary>
    public static string Root()
    {
        string? at = AppContext.BaseDirectory;
        while (at is not null && !File.Exists(Path.Combine(at, "FastRelay.sln")))
        {
            at = Path.GetDirectoryName(at);
        }
        return at ?? throw new StormException("no FastRelay.sln above the program");
    }

    /// <summary>Copies, changes and compiles.</summary>
    /// <param name="root">The solution.</param>
    /// <param name="defects">What to put in.</param>
    /// <returns>The storm's program with the defects in it.</returns>
    public static string Make(string root, IReadOnlyList<Defect> defects)
    {
        string copy = Path.Combine(root, "artifacts/mutants");
        if (Directory.Exists(copy))
        {
            Directory.Delete(copy, recursive: true);
        }
        foreach (string folder in (ReadOnlySpan<string>)["src/FastRelay.Core", "src/FastRelay", "tests/FastRelay.Storm", "tests/FastRelay.Tests/Outside"])
        {
            CopyFolder(Path.Combine(root, folder), Path.Combine(copy, folder));
        }
        foreach (string file in Directory.GetFiles(root).Where(static f => Path.GetFileName(f) is not (".git" or "FastRelay.sln")))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
        foreach (Defect defect in defects)
        {
            foreach (DefectChange change in defect.Changes)
            {
                Apply(copy, defect.Name, change);
            }
        }
        File.WriteAllText(Path.Combine(copy, "src/FastRelay.Core/Mutant.cs"), Switch);
        Run(static _ => { }, "dotnet", copy, "build", "tests/FastRelay.Storm", "-c", "Release", "--nologo", "-v", "q", "-clp:NoSummary", "-nodeReuse:false",
            "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false", "-p:UseSharedCompilation=false", "-p:DefineConstants=MUTANTS");
        return Directory.GetFiles(Path.Combine(copy, "tests/FastRelay.Storm/bin"), "FastRelay.Storm.dll", SearchOption.AllDirectories)[0];
    }

    /// <summary>Runs a program.</summary>
    /// <param name="told">Each line that it writes.</param>
    /// <param name="program">Its name.</param>
    /// <param name="folder">Where it works.</param>
    /// <param name="arguments">What it is given.</param>
    public static void Run(Action<string> told, string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true };
        // A build inside a test run must not take the settings of the outer one.
        start.Environment.Remove("MSBUILDSDKSPATH");
        start.Environment.Remove("MSBuildExtensionsPath");
        using Process process = Process.Start(start)!;
        var output = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            output.Add(line);
            told(line);
        }
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new StormException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{string.Join('\n', output)}");
        }
    }

    private static void Apply(string copy, string name, DefectChange change)
    {
        string path = Path.Combine(copy, change.File);
        string text = File.ReadAllText(path);
        int at = text.IndexOf(change.Old, StringComparison.Ordinal);
        if (at < 0 || text.IndexOf(change.Old, at + 1, StringComparison.Ordinal) >= 0)
        {
            throw new StormException($"defect {name}: this must stand once in {change.File}, which has changed; put the defect where it belongs now:\n{change.Old}");
        }
        File.WriteAllText(path, text.Replace(change.Old, change.New, StringComparison.Ordinal));
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
        foreach (string folder in Directory.GetDirectories(from).Where(static f => Path.GetFileName(f) is not ("bin" or "obj")))
        {
            CopyFolder(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
