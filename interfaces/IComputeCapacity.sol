// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IDeedRenderer} from "interfaces/IDeedRenderer.sol";
import {IPricing} from "interfaces/IPricing.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title The deed of a compute capacity (ERC-721)
/// @notice One token is one capacity: `units` of like machines in one place. Whoever owns the deed
/// runs it (price, terms, open or closed); whoever owns the shares of its payee owns the revenue.
/// @dev Time of a capacity is counted in epochs of `epochLength` seconds since `origin`:
/// epoch `e` runs from `origin + e * epochLength` up to, not including, `origin + (e + 1) * epochLength`.
interface IComputeCapacity {
    /// @notice What kind of work the machines are offered for.
    enum ServiceKind {
        TRAINING,
        INFERENCE,
        EDGE
    }

    /// @notice One step of the service-level schedule.
    /// @param uptimeBelowBps The step applies when an epoch's uptime lies below this, in bps.
    /// @param creditBps The share of the epoch's rent that goes back to the tenants, in bps.
    struct SlaTier {
        uint16 uptimeBelowBps;
        uint16 creditBps;
    }

    /// @notice Everything about a capacity that never changes.
    /// @param hardwareClass Name of the accelerator class, as its price index knows it (ASCII, left-aligned).
    /// @param site Site code within the country (ASCII, left-aligned).
    /// @param serviceKind What the machines are offered for.
    /// @param country ISO 3166-1 numeric code, 1 … 999.
    /// @param acceleratorsPerUnit Accelerators in one unit, 1 … 4,096.
    /// @param wattsPerUnit Power of one unit at full load, in watts, before PUE, 1 … 10,000,000.
    /// @param pueBps Power usage effectiveness in bps (1.15 is 11500), 10,000 … 30,000.
    /// @param units The smallest leasable things in this capacity, 1 … 32,767.
    /// @param epochLength Seconds in an epoch, 1 hour … 7 days.
    /// @param lifetimeEpochs Epochs after which nothing can be leased any more, 1 … 131,071.
    /// @param origin Unix time at which epoch 0 begins: not in the past, at most 365 days ahead.
    /// @param committedUptimeBps The uptime promised per epoch, in bps, at most 10,000.
    /// @param blackoutCreditBps Credit of an epoch whose attestors posted nothing at all, in bps.
    /// @param priceFloorBps Share of the class index below which no lease may be priced, in bps; 0
    /// if the shares are never to be collateral.
    /// @param attestorSet The set in the telemetry oracle whose word counts.
    /// @param stablecoin The token that rent is paid in.
    /// @param payee Where earned rent goes; a revenue splitter, if registered by the registrar.
    /// @param tiers Up to 4 steps: thresholds strictly falling from at most `committedUptimeBps`,
    /// credits strictly rising to at most 10,000.
    /// @param penaltyBelowBps An epoch whose uptime lies below this is in penalty: at most
    /// `committedUptimeBps`; 0 where there is no penalty.
    /// @param penaltyPerUnit What an epoch in penalty costs the bond per leased unit, in base units,
    /// below 2^80; a fixed amount, whatever the rent; 0 exactly where `penaltyBelowBps` is.
    /// @param curtailmentEpochs Epochs per 30 days since `origin` that the operator may give to the
    /// grid, 0 … 720. They are no downtime. An epoch counts for the 30 days in which it begins.
    /// @param curtailmentCreditBps Credit of such an epoch, whatever its uptime, in bps.
    struct CapacityConfig {
        bytes32 hardwareClass;
        bytes8 site;
        ServiceKind serviceKind;
        uint16 country;
        uint16 acceleratorsPerUnit;
        uint32 wattsPerUnit;
        uint16 pueBps;
        uint16 units;
        uint24 epochLength;
        uint24 lifetimeEpochs;
        uint40 origin;
        uint16 committedUptimeBps;
        uint16 blackoutCreditBps;
        uint16 priceFloorBps;
        uint24 attestorSet;
        address stablecoin;
        address payee;
        SlaTier[] tiers;
        uint16 penaltyBelowBps;
        uint80 penaltyPerUnit;
        uint16 curtailmentEpochs;
        uint16 curtailmentCreditBps;
    }

    /// @notice Predefined conditions of a lease. Never changes once written; an edit is a new version.
    /// @dev On-demand (short notice, a deposit of 0 or 1), reserved (a longer notice and deposit),
    /// prepaid (a deposit of the whole term) and spot (preemptible) are settings of this one struct.
    /// @param minEpochs The shortest lease, 1 … 4,096 epochs.
    /// @param maxEpochs The longest lease, `minEpochs` … 4,096 epochs.
    /// @param priceBps Rent as a share of the capacity's price, in bps, 1 … 50,000.
    /// @param noticeEpochs Epochs for which rent stays due after a tenant ends the lease, 0 … 4,096.
    /// @param depositEpochs Epochs of rent paid ahead: they pay the end of the term, and are forfeited
    /// when the tenant ends it early or stops paying, 0 … 4,096. More than the term is the term.
    /// @param preemptible Whether the deed owner, or a dearer lease, may end it with a full refund.
    struct Term {
        uint16 minEpochs;
        uint16 maxEpochs;
        uint16 priceBps;
        uint16 noticeEpochs;
        uint16 depositEpochs;
        bool preemptible;
    }

    /// @notice What the lease engine needs to sign a lease, read in one call.
    /// @param origin See `CapacityConfig`.
    /// @param epochLength See `CapacityConfig`.
    /// @param lifetimeEpochs See `CapacityConfig`.
    /// @param units Units that can be leased: those the attestors have attested.
    /// @param open Whether the deed owner takes new leases and the guardian has not paused them.
    /// @param minEpochs See `Term`.
    /// @param maxEpochs See `Term`.
    /// @param noticeEpochs See `Term`.
    /// @param depositEpochs See `Term`.
    /// @param stablecoin See `CapacityConfig`.
    /// @param rent Rent per unit and epoch for what was asked, in base units, rounded up; below 2^85.
    struct Offer {
        uint256 origin;
        uint256 epochLength;
        uint256 lifetimeEpochs;
        uint256 units;
        bool open;
        uint256 minEpochs;
        uint256 maxEpochs;
        uint256 noticeEpochs;
        uint256 depositEpochs;
        address stablecoin;
        uint256 rent;
    }

    /// @notice What the lease engine needs to settle a healthy epoch: one word.
    /// @param origin See `CapacityConfig`.
    /// @param epochLength See `CapacityConfig`.
    /// @param lifetimeEpochs See `CapacityConfig`.
    /// @param attestorSet See `CapacityConfig`.
    /// @param windowLength Seconds in a window of that set.
    /// @param revealSpan Seconds after a window's end in which its reports can be shown.
    /// @param revealPeriod Seconds after that in which a penalty that was held back can be added.
    /// @param healthyBps The uptime from which on an epoch has neither credit nor penalty, at least 1.
    /// @param units See `CapacityConfig`.
    struct ServiceLevel {
        uint40 origin;
        uint24 epochLength;
        uint24 lifetimeEpochs;
        uint24 attestorSet;
        uint24 windowLength;
        uint32 revealSpan;
        uint24 revealPeriod;
        uint16 healthyBps;
        uint16 units;
    }

    /// @notice What the lease engine needs to settle any other epoch.
    /// @param tiers Up to four steps of 28 bits, the first lowest: threshold, then credit, 14 bits each.
    /// @param penaltyBelowBps See `CapacityConfig`.
    /// @param penaltyPerUnit See `CapacityConfig`.
    /// @param curtailmentEpochs See `CapacityConfig`.
    /// @param curtailmentCreditBps See `CapacityConfig`.
    /// @param blackoutCreditBps See `CapacityConfig`.
    struct ServiceFaults {
        uint112 tiers;
        uint16 penaltyBelowBps;
        uint80 penaltyPerUnit;
        uint16 curtailmentEpochs;
        uint16 curtailmentCreditBps;
        uint16 blackoutCreditBps;
    }

    /// @param capacity The new capacity.
    /// @param operator The first owner of its deed.
    /// @param payee Where its rent goes.
    /// @param config All that is fixed for good.
    event CapacityRegistered(
        uint256 indexed capacity,
        address indexed operator,
        address indexed payee,
        CapacityConfig config
    );
    /// @param capacity The capacity.
    /// @param term Index of the new term.
    /// @param conditions What it says.
    event TermAdded(uint256 indexed capacity, uint256 indexed term, Term conditions);
    /// @param capacity The capacity.
    /// @param term Index of the term that takes no new leases from now on.
    event TermRetired(uint256 indexed capacity, uint256 indexed term);
    /// @param capacity The capacity.
    /// @param price New fixed price per unit and epoch, in base units of the stablecoin.
    event PriceSet(uint256 indexed capacity, uint256 price);
    /// @param capacity The capacity.
    /// @param pricing The module that prices new leases; zero for the fixed price.
    event PricingSet(uint256 indexed capacity, IPricing pricing);
    /// @param capacity The capacity.
    /// @param units Units that its attestors say are there.
    /// @param nonce How many statements came before.
    event UnitsAttested(uint256 indexed capacity, uint256 units, uint256 nonce);
    /// @param capacity The capacity.
    /// @param open Whether new leases are taken.
    event OpenSet(uint256 indexed capacity, bool open);
    /// @param capacity The capacity.
    /// @param until Unix time from which new leases are taken again; not later than now if the
    /// guardian ended the pause.
    event PauseSet(uint256 indexed capacity, uint256 until);
    /// @notice ERC-4906: the deed's metadata changed otherwise than with time and settlement.
    event MetadataUpdate(uint256 _tokenId);

    /// @dev No capacity has this id.
    error UnknownCapacity(uint256 capacity);
    /// @dev `caller` does not own the deed of `capacity`.
    error NotDeedOwner(uint256 capacity, address caller);
    /// @dev `caller` is not the guardian.
    error NotGuardian(address caller);
    /// @dev A pause may begin from `earliest` on: 30 days after the last one ended.
    error PausedTooOften(uint256 capacity, uint256 earliest);
    /// @dev The capacity is not paused.
    error NotPaused(uint256 capacity);
    /// @dev A field of the configuration, or a price that is worked out, lies outside `min` … `max`.
    error OutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev Tier `index` breaks the order: thresholds must fall and credits rise.
    error TiersNotOrdered(uint256 index);
    /// @dev More tiers than 4.
    error TooManyTiers(uint256 count);
    /// @dev An address that must be set is zero, or the contract itself.
    error BadAddress(bytes32 field, address value);
    /// @dev No term of this index, or it has been retired.
    error TermNotActive(uint256 capacity, uint256 term);
    /// @dev More than 8 active terms, or more than 255 ever.
    error TooManyTerms(uint256 capacity, uint256 active, uint256 ever);
    /// @dev A capacity needs at least one term when it is registered.
    error NoTerms();
    /// @dev Statements about units count up from 0: `expected` is next.
    error WrongNonce(uint256 capacity, uint256 nonce, uint256 expected);
    /// @dev The statement held until `deadline`.
    error StatementExpired(uint256 capacity, uint256 deadline);
    /// @dev The index of the hardware class is stale, broken or missing, so the floor is unknown.
    error IndexInvalid(bytes32 hardwareClass);

    /// @notice Registers a capacity and mints its deed. Open to anyone.
    /// @dev Safety rests on: the stablecoin is a plain ERC-20 (the registry's list), the payee can
    /// receive it. Liveness only rests on: the attestor set speaks.
    /// @param config All that is fixed for good; see the struct for bounds.
    /// @param terms 1 … 8 conditions that leases can be signed under.
    /// @param price Rent per unit and epoch before a term's `priceBps`, in base units, 1 … 2^82.
    /// @param to First owner of the deed; no receiver hook is called.
    /// @return capacity The id, counted from 1.
    function register(
        CapacityConfig calldata config,
        Term[] calldata terms,
        uint256 price,
        address to
    ) external returns (uint256 capacity);

    /// @notice Sets the fixed price for new leases, 1 … 2^82. Deed owner only.
    function setPrice(uint256 capacity, uint256 price) external;

    /// @notice Sets the module that prices new leases; zero for the fixed price. Deed owner only.
    /// @dev Any contract will do: it is only ever called statically, tenants pass the most that they
    /// pay, and no rent goes below the price floor.
    function setPricing(uint256 capacity, IPricing pricing) external;

    /// @notice Takes the attestors' word on how many units there are. Anyone may bring it.
    /// @dev Signed is EIP-712 `CapacityUnits(uint256 capacity,uint256 units,uint256 nonce,uint256
    /// deadline)` under this chain and contract (domain "Derrick Capacity", version "1") by a quorum
    /// of the capacity's own set. Fewer units bar new leases only; signed ones stay.
    /// @param units 0 … the capacity's own; no lease raises an epoch's use above it.
    /// @param nonce `attestationNonce(capacity)`.
    /// @param deadline The last second at which the statement can be brought.
    /// @param attestations At least the set's threshold, by members, strictly rising by signer.
    function attestUnits(
        uint256 capacity,
        uint256 units,
        uint256 nonce,
        uint256 deadline,
        ITelemetryOracle.Attestation[] calldata attestations
    ) external;

    /// @notice Opens or closes the capacity to new leases. Deed owner only.
    function setOpen(uint256 capacity, bool open) external;

    /// @notice Bars new leases of a capacity up to the midnight (UTC) after the next 7 days, and touches
    /// nothing else. Guardian only, and again only 30 days after the last pause ended.
    function pause(uint256 capacity) external;

    /// @notice Ends a pause. Guardian only.
    function unpause(uint256 capacity) external;

    /// @notice Adds a term. Deed owner only. At most 8 active, 255 ever.
    /// @return term Its index.
    function addTerm(uint256 capacity, Term calldata conditions) external returns (uint256 term);

    /// @notice Takes a term off for new leases; signed ones keep it. Deed owner only.
    function retireTerm(uint256 capacity, uint256 term) external;

    /// @notice Retires a term and writes its new version. Deed owner only. Signed leases keep theirs.
    /// @return newTerm Index of the new version.
    function editTerm(
        uint256 capacity,
        uint256 term,
        Term calldata conditions
    ) external returns (uint256 newTerm);

    /// @notice Where attestor sets are known.
    function TELEMETRY() external view returns (ITelemetryOracle);

    /// @notice What draws deeds.
    function RENDERER() external view returns (IDeedRenderer);

    /// @notice The id that the next registration gets.
    function nextCapacity() external view returns (uint256);

    /// @notice All that is fixed for good.
    function configOf(uint256 capacity) external view returns (CapacityConfig memory);

    /// @notice Fixed price per unit and epoch, in base units, before a term's `priceBps`.
    function priceOf(uint256 capacity) external view returns (uint256);

    /// @notice The module that prices new leases; zero where the fixed price holds.
    function pricingOf(uint256 capacity) external view returns (IPricing);

    /// @notice Units that can be leased: those that the attestors have attested.
    function attestedUnits(uint256 capacity) external view returns (uint256);

    /// @notice The nonce that the next statement about units must carry.
    function attestationNonce(uint256 capacity) external view returns (uint256);

    /// @notice What attestors sign about units.
    function unitsDigest(
        uint256 capacity,
        uint256 units,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32);

    /// @notice Unix time up to which the guardian bars, or last barred, new leases; 0 if he never did.
    function pausedUntil(uint256 capacity) external view returns (uint256);

    /// @notice Whether the deed owner takes new leases.
    function isOpen(uint256 capacity) external view returns (bool);

    /// @notice A term and whether new leases can be signed under it.
    function termOf(
        uint256 capacity,
        uint256 term
    ) external view returns (Term memory conditions, bool active);

    /// @notice How many terms were ever written for the capacity.
    function termCount(uint256 capacity) external view returns (uint256);

    /// @notice The lowest rent per unit and epoch now, in base units, rounded up; 0 without a floor.
    /// @dev index (USD per accelerator-hour, 1e-8) × accelerators × hours × floor, in the
    /// stablecoin's decimals. Reverts with `IndexInvalid` where there is a floor and no index.
    function priceFloorOf(uint256 capacity) external view returns (uint256);

    /// @notice What a lease of `units` for epochs [start, end) would be signed on now. Reverts unless
    /// the term is active. The rent is the price, by the module if there is one, times the term's
    /// `priceBps`, rounded up, and at least the price floor. An index so high that it would exceed
    /// 5 × 2^82 is refused with `OutOfRange`. The rent is 0 where a module cannot be asked,
    /// since start is not below end or end lies beyond the lifetime: nothing can be signed there.
    function offerOf(
        uint256 capacity,
        uint256 term,
        uint256 start,
        uint256 end,
        uint256 units
    ) external view returns (Offer memory);

    /// @notice What the settlement of a healthy epoch goes by.
    function serviceLevelOf(uint256 capacity) external view returns (ServiceLevel memory);

    /// @notice What the settlement of any other epoch goes by.
    function serviceFaultsOf(uint256 capacity) external view returns (ServiceFaults memory);

    /// @notice Where the rent of the capacity goes and in which token.
    function payeeOf(uint256 capacity) external view returns (address payee, address stablecoin);
}
