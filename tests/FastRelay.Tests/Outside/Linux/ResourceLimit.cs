using System.Runtime.InteropServices;

namespace FastRelay.Tests.Outside;

/// <summary>A limit of this process (getrlimit(2)).</summary>
internal readonly partial record struct ResourceLimit(long Soft, long Hard)
{
    private const int NumberOfFiles = 7;

    /// <summary>
    /// Descriptors. Lowering the soft limit below what is open makes every new one fail and leaves the open ones alone:
    /// tests that do so run alone.
    /// </summary>
    public static ResourceLimit Descriptors
    {
        get
        {
            Assert.Equal(0, getrlimit(NumberOfFiles, out ResourceLimit value));
            return value;
        }
        set => Assert.Equal(0, setrlimit(NumberOfFiles, in value));
    }

    [LibraryImport("libc")]
    private static partial int getrlimit(int resource, out ResourceLimit value);

    [LibraryImport("libc")]
    private static partial int setrlimit(int resource, in ResourceLimit value);
}

/// <summary>Tests that change what the whole process may do.</summary>
[CollectionDefinition("Descriptors", DisableParallelization = true)]
public sealed class DescriptorTests;
