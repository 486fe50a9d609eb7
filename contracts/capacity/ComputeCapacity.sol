// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC721} from "solady/tokens/ERC721.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeIndex} from "interfaces/IComputeIndex.sol";
import {IDeedRenderer} from "interfaces/IDeedRenderer.sol";
import {IPricing} from "interfaces/IPricing.sol";
import {IStablecoinRegistry} from "interfaces/IStablecoinRegistry.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {SlaSchedule} from "../libraries/SlaSchedule.sol";

/// @title The deed of a compute capacity
/// @notice See IComputeCapacity for the whole documentation.
contract ComputeCapacity is IComputeCapacity, ERC721, EIP712 {
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;

    bytes4 internal constant ERC4906_ID = 0x49064906;
    uint256 internal constant BPS = 1e4;
    /// @dev Index prices carry 8 decimals (AggregatorV3 convention) and are per accelerator-hour.
    uint256 internal constant INDEX_UNIT = 1e8;
    uint256 internal constant MAX_PRICE = 1 << 82;
    uint256 internal constant MAX_PRICE_BPS = 5 * BPS;
    /// @dev No price and no index lifts a rent above it: the lease engine's sums rest on that.
    uint256 internal constant MAX_RENT = (MAX_PRICE * MAX_PRICE_BPS) / BPS;
    uint256 internal constant MAX_ACTIVE_TERMS = 8;
    uint256 internal constant MAX_TERMS = 255;
    uint256 internal constant MAX_LEASE_EPOCHS = 4096;
    /// @dev Curtailment is allowed per 30 days: so many epochs of an hour.
    uint256 internal constant MAX_CURTAILMENT = 30 * 24;
    uint256 internal constant PAUSE_DAYS = 7;
    uint256 internal constant DAYS_BETWEEN_PAUSES = 30;
    bytes32 internal constant CAPACITY_UNITS_TYPEHASH = keccak256(
        "CapacityUnits(uint256 capacity,uint256 units,uint256 nonce,uint256 deadline)"
    );

    /// @dev What a lease reads beside its term: one word. The clock stands in the service level too, so
    /// that signing and settling each read one word of it. `priced` says that a module stands in for
    /// the fixed price. `pausedUntilDay` counts days since 1970, enough until the year 2149.
    struct Desk {
        uint88 price;
        uint40 origin;
        uint24 epochLength;
        uint24 lifetimeEpochs;
        uint16 attestedUnits;
        uint16 priceFloorBps;
        uint8 terms;
        uint8 activeTerms;
        bool open;
        bool priced;
        uint16 pausedUntilDay;
    }

    /// @dev A term and, to save a lease a word, the capacity's stablecoin: one word.
    struct TermSlot {
        uint16 minEpochs;
        uint16 maxEpochs;
        uint16 priceBps;
        uint16 noticeEpochs;
        uint16 depositEpochs;
        bool preemptible;
        bool active;
        address stablecoin;
    }

    /// @dev What only valuation and display read: one word.
    struct Machine {
        bytes8 site;
        ServiceKind serviceKind;
        uint8 decimals;
        uint16 country;
        uint16 acceleratorsPerUnit;
        uint32 wattsPerUnit;
        uint16 pueBps;
        uint16 committedUptimeBps;
        uint16 units;
    }

    IStablecoinRegistry public immutable STABLECOINS;
    IComputeIndex public immutable INDEX;
    /// @inheritdoc IComputeCapacity
    ITelemetryOracle public immutable TELEMETRY;
    /// @inheritdoc IComputeCapacity
    IDeedRenderer public immutable RENDERER;

    /// @inheritdoc IComputeCapacity
    uint256 public nextCapacity = 1;

    mapping(uint256 capacity => ServiceLevel) internal _levels;
    mapping(uint256 capacity => ServiceFaults) internal _faults;
    mapping(uint256 capacity => Desk) internal _desks;
    mapping(uint256 capacity => address) internal _payees;
    mapping(uint256 capacity => address) internal _stablecoins;
    mapping(uint256 capacity => bytes32) internal _hardwareClasses;
    mapping(uint256 capacity => Machine) internal _machines;
    mapping(uint256 capacity => mapping(uint256 term => TermSlot)) internal _terms;
    /// @inheritdoc IComputeCapacity
    mapping(uint256 capacity => IPricing) public pricingOf;
    /// @inheritdoc IComputeCapacity
    mapping(uint256 capacity => uint256) public attestationNonce;

    modifier onlyDeedOwner(uint256 capacity) {
        _requireDeedOwner(capacity);
        _;
    }

    /// @param stablecoins Which tokens new capacities may settle in.
    /// @param index Prices by hardware class, for price floors.
    /// @param telemetry Where attestor sets are known.
    /// @param renderer What draws deeds.
    constructor(
        IStablecoinRegistry stablecoins,
        IComputeIndex index,
        ITelemetryOracle telemetry,
        IDeedRenderer renderer
    ) {
        require(address(stablecoins) != address(0), BadAddress("stablecoins", address(0)));
        require(address(index) != address(0), BadAddress("index", address(0)));
        require(address(telemetry) != address(0), BadAddress("telemetry", address(0)));
        require(address(renderer) != address(0), BadAddress("renderer", address(0)));
        STABLECOINS = stablecoins;
        INDEX = index;
        TELEMETRY = telemetry;
        RENDERER = renderer;
    }

    // ------------------------------------------------------------------ registering

    /// @inheritdoc IComputeCapacity
    function register(
        CapacityConfig calldata config,
        Term[] calldata terms,
        uint256 price,
        address to
    ) external returns (uint256 capacity) {
        // Check
        _checkConfig(config);
        _checkTiers(config.tiers, config.committedUptimeBps);
        require(to != address(0) && to != address(this), BadAddress("to", to));
        require(terms.length != 0, NoTerms());
        uint8 decimals = STABLECOINS.requireAllowed(config.stablecoin);

        // Effect
        capacity = nextCapacity++;
        _store(capacity, config, decimals);
        _mint(to, capacity);
        emit CapacityRegistered(capacity, to, config.payee, config);
        for (uint256 i; i < terms.length; ++i) {
            _addTerm(capacity, terms[i]);
        }
        _setPrice(capacity, price);
        emit OpenSet(capacity, true);
    }

    function _store(uint256 capacity, CapacityConfig calldata config, uint8 decimals) internal {
        (uint24 windowLength, uint32 revealSpan, uint24 revealPeriod) = TELEMETRY.periodsOf(
            config.attestorSet
        );
        _levels[capacity] = ServiceLevel({
            origin: config.origin,
            epochLength: config.epochLength,
            lifetimeEpochs: config.lifetimeEpochs,
            attestorSet: config.attestorSet,
            windowLength: windowLength,
            revealSpan: revealSpan,
            revealPeriod: revealPeriod,
            healthyBps: _healthyBps(config),
            units: config.units
        });
        _faults[capacity] = ServiceFaults({
            tiers: SlaSchedule.pack(config.tiers),
            penaltyBelowBps: config.penaltyBelowBps,
            penaltyPerUnit: config.penaltyPerUnit,
            curtailmentEpochs: config.curtailmentEpochs,
            curtailmentCreditBps: config.curtailmentCreditBps,
            blackoutCreditBps: config.blackoutCreditBps
        });
        _desks[capacity] = Desk({
            price: 0,
            origin: config.origin,
            epochLength: config.epochLength,
            lifetimeEpochs: config.lifetimeEpochs,
            attestedUnits: 0,
            priceFloorBps: config.priceFloorBps,
            terms: 0,
            activeTerms: 0,
            open: true,
            priced: false,
            pausedUntilDay: 0
        });
        _machines[capacity] = Machine({
            site: config.site,
            serviceKind: config.serviceKind,
            decimals: decimals,
            country: config.country,
            acceleratorsPerUnit: config.acceleratorsPerUnit,
            wattsPerUnit: config.wattsPerUnit,
            pueBps: config.pueBps,
            committedUptimeBps: config.committedUptimeBps,
            units: config.units
        });
        _hardwareClasses[capacity] = config.hardwareClass;
        _payees[capacity] = config.payee;
        _stablecoins[capacity] = config.stablecoin;
    }

    function _checkConfig(CapacityConfig calldata config) internal view {
        require(config.hardwareClass != 0, OutOfRange("hardwareClass", 0, 1, type(uint256).max));
        require(
            config.payee != address(0) && config.payee != address(this),
            BadAddress("payee", config.payee)
        );
        _checkRange("country", config.country, 1, 999);
        _checkRange("acceleratorsPerUnit", config.acceleratorsPerUnit, 1, 4096);
        _checkRange("wattsPerUnit", config.wattsPerUnit, 1, 10_000_000);
        _checkRange("pueBps", config.pueBps, 10_000, 30_000);
        _checkRange("units", config.units, 1, 32_767);
        _checkRange("epochLength", config.epochLength, 1 hours, 7 days);
        _checkRange("lifetimeEpochs", config.lifetimeEpochs, 1, 131_071);
        _checkRange("origin", config.origin, block.timestamp, block.timestamp + 365 days);
        _checkRange("committedUptimeBps", config.committedUptimeBps, 0, BPS);
        _checkRange("blackoutCreditBps", config.blackoutCreditBps, 0, BPS);
        _checkRange("priceFloorBps", config.priceFloorBps, 0, BPS);
        _checkRange("penaltyBelowBps", config.penaltyBelowBps, 0, config.committedUptimeBps);
        uint256 penalty = config.penaltyPerUnit;
        bool penal = config.penaltyBelowBps != 0;
        _checkRange("penaltyPerUnit", penalty, penal ? 1 : 0, penal ? type(uint80).max : 0);
        _checkRange("curtailmentEpochs", config.curtailmentEpochs, 0, MAX_CURTAILMENT);
        _checkRange("curtailmentCreditBps", config.curtailmentCreditBps, 0, BPS);
    }

    /// @dev The first step of the schedule has the highest threshold. Where nothing ran, all goes
    /// back, so no uptime of 0 is healthy.
    function _healthyBps(CapacityConfig calldata config) internal pure returns (uint16 bps) {
        bps = config.penaltyBelowBps;
        if (bps == 0) bps = 1;
        if (config.tiers.length != 0 && config.tiers[0].uptimeBelowBps > bps) {
            bps = config.tiers[0].uptimeBelowBps;
        }
    }

    /// @dev Thresholds strictly fall and credits strictly rise, so that the last step that applies
    /// is the dearest.
    function _checkTiers(SlaTier[] calldata tiers, uint256 committedUptimeBps) internal pure {
        require(tiers.length <= SlaSchedule.MAX_TIERS, TooManyTiers(tiers.length));
        uint256 uptimeBelow = committedUptimeBps + 1;
        uint256 credit;
        for (uint256 i; i < tiers.length; ++i) {
            SlaTier calldata tier = tiers[i];
            require(
                tier.uptimeBelowBps < uptimeBelow &&
                    tier.uptimeBelowBps != 0 &&
                    tier.creditBps > credit,
                TiersNotOrdered(i)
            );
            uptimeBelow = tier.uptimeBelowBps;
            credit = tier.creditBps;
        }
        _checkRange("creditBps", credit, 0, BPS);
    }

    function _checkRange(bytes32 field, uint256 value, uint256 min, uint256 max) internal pure {
        require(value >= min && value <= max, OutOfRange(field, value, min, max));
    }

    // ------------------------------------------------------------------ running

    /// @inheritdoc IComputeCapacity
    function setPrice(uint256 capacity, uint256 price) external onlyDeedOwner(capacity) {
        _setPrice(capacity, price);
        emit MetadataUpdate(capacity);
    }

    /// @inheritdoc IComputeCapacity
    function setPricing(uint256 capacity, IPricing pricing) external onlyDeedOwner(capacity) {
        bool priced = address(pricing) != address(0);
        require(
            !priced || address(pricing).code.length != 0,
            BadAddress("pricing", address(pricing))
        );
        pricingOf[capacity] = pricing;
        _desks[capacity].priced = priced;
        emit PricingSet(capacity, pricing);
        emit MetadataUpdate(capacity);
    }

    /// @inheritdoc IComputeCapacity
    function attestUnits(
        uint256 capacity,
        uint256 units,
        uint256 nonce,
        uint256 deadline,
        ITelemetryOracle.Attestation[] calldata attestations
    ) external {
        // Check
        _requireExists(capacity);
        _checkRange("units", units, 0, _machines[capacity].units);
        uint256 expected = attestationNonce[capacity];
        require(nonce == expected, WrongNonce(capacity, nonce, expected));
        require(block.timestamp <= deadline, StatementExpired(capacity, deadline));
        bytes32 digest = unitsDigest(capacity, units, nonce, deadline);
        TELEMETRY.requireQuorum(_levels[capacity].attestorSet, digest, attestations);

        // Effect
        attestationNonce[capacity] = nonce + 1;
        _desks[capacity].attestedUnits = uint16(units); // at most the capacity's own
        emit UnitsAttested(capacity, units, nonce);
        emit MetadataUpdate(capacity);
    }

    /// @inheritdoc IComputeCapacity
    function setOpen(uint256 capacity, bool open) external onlyDeedOwner(capacity) {
        _desks[capacity].open = open;
        emit OpenSet(capacity, open);
        emit MetadataUpdate(capacity);
    }

    /// @inheritdoc IComputeCapacity
    function pause(uint256 capacity) external {
        // Check
        _requireGuardian(capacity);
        uint256 today = block.timestamp / 1 days;
        uint256 last = _desks[capacity].pausedUntilDay;
        uint256 earliest = last == 0 ? 0 : last + DAYS_BETWEEN_PAUSES;
        require(today >= earliest, PausedTooOften(capacity, earliest * 1 days));

        // Effect
        _setPause(capacity, today + 1 + PAUSE_DAYS);
    }

    /// @inheritdoc IComputeCapacity
    function unpause(uint256 capacity) external {
        _requireGuardian(capacity);
        uint256 today = block.timestamp / 1 days;
        require(today < _desks[capacity].pausedUntilDay, NotPaused(capacity));
        _setPause(capacity, today);
    }

    function _setPause(uint256 capacity, uint256 untilDay) internal {
        _desks[capacity].pausedUntilDay = untilDay.toUint16();
        emit PauseSet(capacity, untilDay * 1 days);
        emit MetadataUpdate(capacity);
    }

    function _requireDeedOwner(uint256 capacity) internal view {
        _requireExists(capacity);
        require(_ownerOf(capacity) == msg.sender, NotDeedOwner(capacity, msg.sender));
    }

    function _requireGuardian(uint256 capacity) internal view {
        _requireExists(capacity);
        require(msg.sender == TELEMETRY.guardian(), NotGuardian(msg.sender));
    }

    /// @inheritdoc IComputeCapacity
    function addTerm(
        uint256 capacity,
        Term calldata conditions
    ) external onlyDeedOwner(capacity) returns (uint256 term) {
        return _addTerm(capacity, conditions);
    }

    /// @inheritdoc IComputeCapacity
    function retireTerm(uint256 capacity, uint256 term) external onlyDeedOwner(capacity) {
        _retireTerm(capacity, term);
    }

    /// @inheritdoc IComputeCapacity
    function editTerm(
        uint256 capacity,
        uint256 term,
        Term calldata conditions
    ) external onlyDeedOwner(capacity) returns (uint256 newTerm) {
        _retireTerm(capacity, term);
        return _addTerm(capacity, conditions);
    }

    function _retireTerm(uint256 capacity, uint256 term) internal {
        TermSlot storage slot = _terms[capacity][term];
        require(slot.active, TermNotActive(capacity, term));
        slot.active = false;
        --_desks[capacity].activeTerms;
        emit TermRetired(capacity, term);
    }

    function _setPrice(uint256 capacity, uint256 price) internal {
        _checkRange("price", price, 1, MAX_PRICE);
        _desks[capacity].price = uint88(price); // at most 2^82
        emit PriceSet(capacity, price);
    }

    function _addTerm(uint256 capacity, Term calldata conditions) internal returns (uint256 term) {
        _checkRange("minEpochs", conditions.minEpochs, 1, MAX_LEASE_EPOCHS);
        _checkRange("maxEpochs", conditions.maxEpochs, conditions.minEpochs, MAX_LEASE_EPOCHS);
        _checkRange("priceBps", conditions.priceBps, 1, MAX_PRICE_BPS);
        _checkRange("noticeEpochs", conditions.noticeEpochs, 0, MAX_LEASE_EPOCHS);
        _checkRange("depositEpochs", conditions.depositEpochs, 0, MAX_LEASE_EPOCHS);

        Desk storage desk = _desks[capacity];
        term = desk.terms;
        uint256 active = desk.activeTerms;
        require(
            term < MAX_TERMS && active < MAX_ACTIVE_TERMS,
            TooManyTerms(capacity, active, term)
        );
        ++desk.terms;
        ++desk.activeTerms;
        _terms[capacity][term] = TermSlot({
            minEpochs: conditions.minEpochs,
            maxEpochs: conditions.maxEpochs,
            priceBps: conditions.priceBps,
            noticeEpochs: conditions.noticeEpochs,
            depositEpochs: conditions.depositEpochs,
            preemptible: conditions.preemptible,
            active: true,
            stablecoin: _stablecoins[capacity]
        });
        emit TermAdded(capacity, term, conditions);
    }

    // ------------------------------------------------------------------ what the lease engine reads

    /// @inheritdoc IComputeCapacity
    function offerOf(
        uint256 capacity,
        uint256 term,
        uint256 start,
        uint256 end,
        uint256 units
    ) external view returns (Offer memory offer) {
        Desk memory desk = _desks[capacity];
        require(desk.epochLength != 0, UnknownCapacity(capacity));
        TermSlot memory slot = _terms[capacity][term];
        require(slot.active, TermNotActive(capacity, term));

        offer.origin = desk.origin;
        offer.epochLength = desk.epochLength;
        offer.lifetimeEpochs = desk.lifetimeEpochs;
        offer.units = desk.attestedUnits;
        offer.open = desk.open && block.timestamp / 1 days >= desk.pausedUntilDay;
        offer.minEpochs = slot.minEpochs;
        offer.maxEpochs = slot.maxEpochs;
        offer.noticeEpochs = slot.noticeEpochs;
        offer.depositEpochs = slot.depositEpochs;
        offer.stablecoin = slot.stablecoin;
        uint256 price = desk.price;
        if (desk.priced) {
            if (start >= end || end > desk.lifetimeEpochs) return offer;
            price = pricingOf[capacity].quote(capacity, start, end, units);
            _checkRange("quote", price, 1, MAX_PRICE);
        }
        offer.rent = price.mulDivUp(slot.priceBps, BPS);
        if (desk.priceFloorBps != 0) {
            offer.rent = FixedPointMathLib.max(offer.rent, priceFloorOf(capacity));
            _checkRange("rent", offer.rent, 1, MAX_RENT);
        }
    }

    /// @inheritdoc IComputeCapacity
    function serviceLevelOf(uint256 capacity) external view returns (ServiceLevel memory level) {
        level = _levels[capacity];
        require(level.epochLength != 0, UnknownCapacity(capacity));
    }

    /// @inheritdoc IComputeCapacity
    function serviceFaultsOf(uint256 capacity) external view returns (ServiceFaults memory) {
        _requireExists(capacity);
        return _faults[capacity];
    }

    /// @inheritdoc IComputeCapacity
    function payeeOf(uint256 capacity) external view returns (address payee, address stablecoin) {
        _requireExists(capacity);
        return (_payees[capacity], _stablecoins[capacity]);
    }

    // ------------------------------------------------------------------ other views

    /// @inheritdoc IComputeCapacity
    function priceFloorOf(uint256 capacity) public view returns (uint256) {
        _requireExists(capacity);
        uint256 floorBps = _desks[capacity].priceFloorBps;
        if (floorBps == 0) return 0;

        bytes32 hardwareClass = _hardwareClasses[capacity];
        (uint256 index, bool valid) = INDEX.priceOf(hardwareClass);
        require(valid, IndexInvalid(hardwareClass));
        Machine memory machine = _machines[capacity];
        // index ≤ 2^96, accelerators ≤ 2^12, seconds < 2^20, floor < 2^14, decimals ≤ 10^18 < 2^60:
        // the product stays below 2^202.
        uint256 perEpoch = index * machine.acceleratorsPerUnit * _desks[capacity].epochLength;
        return
            (perEpoch * floorBps).mulDivUp(
                10 ** uint256(machine.decimals),
                INDEX_UNIT * 1 hours * BPS
            );
    }

    /// @inheritdoc IComputeCapacity
    function configOf(uint256 capacity) external view returns (CapacityConfig memory config) {
        _requireExists(capacity);
        ServiceLevel memory level = _levels[capacity];
        ServiceFaults memory faults = _faults[capacity];
        Desk memory desk = _desks[capacity];
        Machine memory machine = _machines[capacity];
        config.hardwareClass = _hardwareClasses[capacity];
        config.site = machine.site;
        config.serviceKind = machine.serviceKind;
        config.country = machine.country;
        config.acceleratorsPerUnit = machine.acceleratorsPerUnit;
        config.wattsPerUnit = machine.wattsPerUnit;
        config.pueBps = machine.pueBps;
        config.units = machine.units;
        config.epochLength = level.epochLength;
        config.lifetimeEpochs = level.lifetimeEpochs;
        config.origin = level.origin;
        config.committedUptimeBps = machine.committedUptimeBps;
        config.blackoutCreditBps = faults.blackoutCreditBps;
        config.priceFloorBps = desk.priceFloorBps;
        config.attestorSet = level.attestorSet;
        config.stablecoin = _stablecoins[capacity];
        config.payee = _payees[capacity];
        config.tiers = SlaSchedule.unpack(faults.tiers);
        config.penaltyBelowBps = faults.penaltyBelowBps;
        config.penaltyPerUnit = faults.penaltyPerUnit;
        config.curtailmentEpochs = faults.curtailmentEpochs;
        config.curtailmentCreditBps = faults.curtailmentCreditBps;
    }

    /// @inheritdoc IComputeCapacity
    function priceOf(uint256 capacity) external view returns (uint256) {
        _requireExists(capacity);
        return _desks[capacity].price;
    }

    /// @inheritdoc IComputeCapacity
    function attestedUnits(uint256 capacity) external view returns (uint256) {
        _requireExists(capacity);
        return _desks[capacity].attestedUnits;
    }

    /// @inheritdoc IComputeCapacity
    function unitsDigest(
        uint256 capacity,
        uint256 units,
        uint256 nonce,
        uint256 deadline
    ) public view returns (bytes32) {
        return
            _hashTypedData(
                keccak256(abi.encode(CAPACITY_UNITS_TYPEHASH, capacity, units, nonce, deadline))
            );
    }

    /// @inheritdoc IComputeCapacity
    function pausedUntil(uint256 capacity) external view returns (uint256) {
        _requireExists(capacity);
        return uint256(_desks[capacity].pausedUntilDay) * 1 days;
    }

    /// @inheritdoc IComputeCapacity
    function isOpen(uint256 capacity) external view returns (bool) {
        _requireExists(capacity);
        return _desks[capacity].open;
    }

    /// @inheritdoc IComputeCapacity
    function termOf(
        uint256 capacity,
        uint256 term
    ) external view returns (Term memory conditions, bool active) {
        _requireExists(capacity);
        TermSlot memory slot = _terms[capacity][term];
        conditions = Term({
            minEpochs: slot.minEpochs,
            maxEpochs: slot.maxEpochs,
            priceBps: slot.priceBps,
            noticeEpochs: slot.noticeEpochs,
            depositEpochs: slot.depositEpochs,
            preemptible: slot.preemptible
        });
        active = slot.active;
    }

    /// @inheritdoc IComputeCapacity
    function termCount(uint256 capacity) external view returns (uint256) {
        _requireExists(capacity);
        return _desks[capacity].terms;
    }

    /// @inheritdoc ERC721
    function name() public pure override returns (string memory) {
        return "Derrick Compute Capacity";
    }

    /// @inheritdoc ERC721
    function symbol() public pure override returns (string memory) {
        return "DCAP";
    }

    /// @inheritdoc ERC721
    function tokenURI(uint256 capacity) public view override returns (string memory) {
        _requireExists(capacity);
        return RENDERER.deedURI(this, capacity);
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == ERC4906_ID || super.supportsInterface(id);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Derrick Capacity", "1");
    }

    /// @dev A deed that stood in this contract could never be moved again.
    function _beforeTokenTransfer(address, address to, uint256) internal view override {
        require(to != address(this), BadAddress("to", to));
    }

    function _requireExists(uint256 capacity) internal view {
        require(_desks[capacity].epochLength != 0, UnknownCapacity(capacity));
    }
}
